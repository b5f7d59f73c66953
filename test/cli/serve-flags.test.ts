import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  parseFlags,
  readInitial,
  readKeys,
  readOptions,
  serveHelp,
} from '../../src/cli/serve-flags.js';
import { settingsFrom } from '../../src/daemon/config/settings.js';
import { createAuthority } from '../../src/testing/index.js';
import { callXml, post } from '../support/calling.js';
import { run, serve } from '../support/command.js';
import { file, folder } from '../support/folder.js';

const readme = await readFile(join(import.meta.dirname, '../../src/daemon/README.md'), 'utf8');
const listMethods = callXml('system.listMethods');

/** What stands in parentheses at a flag's end is its default. */
const inHelp = new Map(
  serveHelp
    .split(/\n(?= {2}--|\n)/)
    .filter((entry) => /^\s*--/.test(entry))
    .map((entry) => {
      const [, flag = '', meaning = ''] = /^\s*(--[\w-]+(?: \S+)?)\s+(.*)$/s.exec(entry) ?? [];
      return [flag, /\(([^()]*)\)\s*$/.exec(meaning)?.[1] ?? 'none'];
    }),
);

test('every flag stands in --help and in the README, with the same default', () => {
  const rows = readme.matchAll(/^\| `(--[^`]+)` \| ([^|]*) \| /gm);
  const inReadme = new Map([...rows].map(([, flag, value]) => [flag, value?.replaceAll('`', '')]));
  for (const flag of ['--version', '--help']) {
    assert.ok(inHelp.delete(flag), flag);
    assert.ok(readme.includes(`\`${flag}\``), flag);
  }
  assert.ok(inHelp.size > 20);
  assert.deepEqual([...inReadme].sort(), [...inHelp].sort());
});

test('the defaults that are told are those that hold', () => {
  const { address, remember, drainTimeoutMs, limits } = settingsFrom({});
  const told = (name: string) =>
    [...inHelp].find(([flag]) => flag.split(' ', 1)[0] === `--${name}`)?.[1];
  assert.deepEqual(address, { host: '127.0.0.1', port: 7077 });
  assert.equal(told('listen'), '127.0.0.1:7077');
  assert.deepEqual(settingsFrom({ listen: 'unix:/a' }).address, { path: '/a', mode: 0o600 });
  assert.equal(told('listen-mode'), '0600');
  const numbers = { remember, drainTimeoutMs, ...limits };
  for (const [name, value] of Object.entries(numbers)) {
    const flag = name.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    assert.equal(told(flag), String(name.endsWith('Ms') ? value / 1000 : value), name);
  }
});

test('each flag is an option of the daemon', async () => {
  const read = async (...argv: string[]) => {
    const { gateways, ca, insecure, ...rest } = await readOptions(parseFlags(argv));
    assert.deepEqual([gateways, ca], [{}, { sandbox: [], production: [] }]);
    return insecure ? { insecure, ...rest } : rest;
  };
  const secrets = await file('secrets', 'a:b\r\n\na:c\n');
  const [cert, key, clientCa] = await Promise.all(['cert', 'key', 'ca'].map((it) => file(it, it)));
  assert.ok(cert && key && clientCa);
  const cases: [argv: string[], options: object][] = [
    [[], {}],
    [['--listen', 'unix:/a'], { listen: 'unix:/a' }],
    [['--listen-mode', '0660'], { listenMode: 0o660 }],
    [['--listen-mode', '666'], { listenMode: 0o666 }],
    [['--remember', '0'], { remember: 0 }],
    [['--feedback-time', 'utc'], { feedbackTime: 'utc' }],
    [['--drain-timeout', '0.5'], { drainTimeoutMs: 500 }],
    [['--secret-file', secrets], { secrets: ['a:b', '', 'a:c', ''] }],
    [
      ['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', clientCa],
      { tls: { cert: 'cert', key: 'key', clientCa: 'ca' } },
    ],
    [['--tls-cert', cert, '--tls-key', key], { tls: { cert: 'cert', key: 'key' } }],
    [['--insecure'], { insecure: true }],
    [['--cert-root', '/a'], { certRoot: '/a' }],
    [['--max-body-bytes', '1'], { maxBodyBytes: 1 }],
    [['--max-depth', '2'], { maxDepth: 2 }],
    [['--max-values', '3'], { maxValues: 3 }],
    [['--max-name-length', '4'], { maxNameLength: 4 }],
    [['--max-text-length', '5'], { maxTextLength: 5 }],
    [['--max-calls', '6'], { maxCalls: 6 }],
    [['--max-call-bytes', '7'], { maxCallBytes: 7 }],
    [['--max-connections', '8'], { maxConnections: 8 }],
    [['--headers-timeout', '9'], { headersTimeoutMs: 9000 }],
    [['--request-timeout', '10'], { requestTimeoutMs: 10_000 }],
  ];
  for (const [argv, options] of cases) {
    assert.deepEqual(await read(...argv), options, argv.join(' '));
  }
});

test('a flag that can not be read says what was expected, and shows no secret', async () => {
  const cases: [argv: string[], says: string][] = [
    [['--listen-mode', '9'], '--listen-mode is "9", expected a mode such as 0660'],
    [['--listen-mode', '4755'], '--listen-mode is "4755", expected a mode such as 0660'],
    [['--max-calls', '1e3'], '--max-calls is "1e3", expected a whole number'],
    [['--max-calls', ''], '--max-calls is "", expected a whole number'],
    [['--request-timeout', 'x'], '--request-timeout is "x", expected seconds from 0 to 86400'],
    [['--tls-cert', '/a'], '--tls-cert and --tls-key belong together, expected both'],
    [['--tls-key', '/a'], '--tls-cert and --tls-key belong together, expected both'],
    [['--tls-client-ca', '/a'], '--tls-cert and --tls-key belong together, expected both'],
    [['--secret-file', '/no/such'], "--secret-file /no/such can't be read: ENOENT"],
  ];
  for (const [argv, message] of cases) {
    await assert.rejects(readOptions(parseFlags(argv)), { message }, argv.join(' '));
  }
  const { code, stderr } = await run('serve', '--secret-file', await file('bad', 'top-secret'));
  assert.equal(code, 2);
  assert.equal(stderr, 'apnsd serve: secrets[0] is no user:secret\n');
});

test('a byte order mark before secrets or config is ignored, and bytes that are not UTF-8 are refused with their line', async () => {
  const secretsOf = async (contents: Buffer) =>
    (await readKeys(parseFlags(['--secret-file', await file('marked', contents)]))).secrets;
  const initialOf = async (contents: Buffer) =>
    readInitial(parseFlags(['--config', await file('marked.json', contents)]));
  const mark = Buffer.from('\ufeff');
  assert.deepEqual(await secretsOf(Buffer.from('\ufeffapp:grün\napp:b')), ['app:grün', 'app:b']);
  assert.deepEqual(await initialOf(Buffer.concat([mark, Buffer.from('{"initial":[]}')])), []);

  const latin1 = Buffer.from('app:one\r\n# ü\napp:secret\n', 'latin1');
  await assert.rejects(secretsOf(latin1), {
    message: `--secret-file ${join(folder, 'marked')} has bytes in line 2 that are not UTF-8, expected UTF-8`,
  });
  await assert.rejects(initialOf(Buffer.from('{"initial":[],\n\n"ü"', 'latin1')), {
    message: `--config ${join(folder, 'marked.json')} has bytes in line 3 that are not UTF-8, expected UTF-8`,
  });
});

function statusWith(url: string, secret: string, ca?: string): Promise<number> {
  const headers = { Authorization: `Basic ${btoa(secret)}` };
  const options = { headers, ...(ca !== undefined && { tls: { ca } }) };
  return post(url, listMethods, options).then(({ status }) => status);
}

test('SIGHUP reads the secrets again, and a bad file leaves the old ones working', async () => {
  const path = await file('rotated', 'a:old\n');
  await using daemon = await serve('--secret-file', path);
  const statuses = () => Promise.all(['a:old', 'a:new'].map((it) => statusWith(daemon.url, it)));
  assert.deepEqual(await statuses(), [200, 401]);

  await writeFile(path, 'a:new\n');
  daemon.signal('SIGHUP');
  await daemon.logged('keys read again');
  assert.deepEqual(await statuses(), [401, 200]);

  await writeFile(path, 'top-secret\n');
  daemon.signal('SIGHUP');
  await daemon.logged('keys refused');
  assert.deepEqual(await statuses(), [401, 200]);
  assert.match(daemon.lines.join('\n'), /"keys refused","reason":"secrets\[0\] is no user:secret"/);
  assert.doesNotMatch(daemon.lines.join('\n'), /top-secret/);
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('on an address that others can reach it serves TLS with a secret, and starts with nothing less', async () => {
  const authority = await createAuthority();
  const { certificate, key } = await authority.serverCertificate();
  const tls = [
    ['--tls-cert', await file('server.pem', certificate)],
    ['--tls-key', await file('server.key', key)],
  ].flat();
  const secret = ['--secret-file', await file('open', 'a:b')];
  const listen = ['--listen', '0.0.0.0:0'];
  for (const [argv, lacks] of [
    [[], /expected tls, and secrets or tls\.clientCa, since/],
    [tls, /expected secrets or tls\.clientCa, since/],
    [secret, /expected tls, since/],
  ] as const) {
    const { code, stdout, stderr } = await run('serve', ...listen, ...argv);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, lacks);
  }
  await using daemon = await serve(...listen, ...tls, ...secret);
  const url = daemon.url.replace('0.0.0.0', '127.0.0.1');
  assert.equal(await statusWith(url, 'a:b', authority.ca), 200);
  assert.equal(await statusWith(url, 'a:c', authority.ca), 401);
  await using open = await serve(...listen, '--insecure');
  await open.logged('insecure');
  assert.equal((await post(open.url, listMethods)).status, 200);
});

test('it listens on a unix socket, which goes with it', async () => {
  const path = join(folder, 'cli.sock');
  await using daemon = await serve('--listen', `unix:${path}`);
  assert.equal(daemon.url, `unix:${path}`);
  assert.equal((await post(daemon.url, listMethods)).status, 200);
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
  await assert.rejects(readFile(path), { code: 'ENOENT' });
});
