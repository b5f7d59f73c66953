import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { nodeArguments } from '../support/command.js';
import { keep } from '../support/leftovers.js';
import { bearer } from '../testing/provider.js';

const entry = `
  import { simulate } from ${JSON.stringify(new URL('../../src/cli/simulate.ts', import.meta.url))};
  process.exitCode = await simulate(process.argv.slice(1));
`;

function start(...argv: string[]): ChildProcess {
  const node = ['--throw-deprecation', '--import', 'tsx', '--input-type=module', '-e', entry];
  return spawn(process.execPath, [...node, '--', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a run says that ends by itself. */
async function run(...argv: string[]) {
  const child = start(...argv);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (text) => (stdout += text));
  child.stderr?.on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** A run that has said where it listens, and what to type next. */
async function running(...argv: string[]) {
  const child = start('--listen', '127.0.0.1:0', ...argv);
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  const listening = String((await lines.next()).value);
  const serve = String((await lines.next()).value);
  const [url = ''] = /https:\S+/.exec(listening) ?? [];
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    await once(child, 'close');
    return child.exitCode;
  };
  return {
    listening,
    serve,
    url,
    pid: String(child.pid),
    stderr: createInterface({ input: child.stderr ?? process.stdin })[Symbol.asyncIterator](),
    stop,
    [Symbol.asyncDispose]: async () => void (await stop('SIGKILL')),
  };
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function push(
  url: string,
  credentials: { ca: string; cert?: string; key?: string; servername?: string },
  headers: Record<string, string> = {},
): Promise<number> {
  const session = connect(url, credentials);
  const stream = session.request({
    ':method': 'POST',
    ':path': `/3/device/${'ab'.repeat(32)}`,
    'apns-push-type': 'alert',
    ...headers,
  });
  stream.end('{"aps":{"alert":"hello"}}');
  const [{ ':status': status }] = await once(stream, 'response');
  session.close();
  await once(session, 'close');
  return status;
}

test('it says where it listens and what to type next, and ends with 0 on either signal', async () => {
  await using folder = await temporaryFolder();
  const dir = join(folder.path, 'made here');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    await using simulator = await running('--credentials', dir);
    assert.match(simulator.listening, /^apnsd simulator listening on https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(
      simulator.serve,
      `apnsd serve --config '${dir}/config.json' --gateway sandbox=${simulator.url} --ca '${dir}/ca.pem'`,
    );
    assert.equal(await simulator.stop(signal), 0);
  }
});

test('the folder has credentials that work, for nobody else to read, and a restart keeps them', async () => {
  await using folder = await temporaryFolder();
  const dir = join(folder.path, 'credentials');
  const record = join(folder.path, 'record.jsonl');
  const contents = new Set<string>();
  for (const restart of [1, 2]) {
    await using simulator = await running('--credentials', dir, '--record', record);
    const names = (await readdir(dir)).sort();
    const [p8 = ''] = names;
    const keyId = p8.slice('AuthKey_'.length, -'.p8'.length);
    assert.match(keyId, /^[A-Z0-9]{10}$/);
    const rest = ['ca-key.pem', 'ca.pem', 'com.example.app.pem', 'config.json'];
    assert.deepEqual(names, [p8, ...rest]);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    const texts: Record<string, string> = {};
    for (const name of names) {
      assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600);
      texts[name] = await readFile(join(dir, name), 'utf8');
    }
    contents.add(JSON.stringify(texts));
    const { initial } = JSON.parse(texts['config.json'] ?? '');
    const { teamId } = initial[1];
    const appId = 'com.example.app';
    const environment = 'sandbox';
    assert.deepEqual(initial, [
      { appId, cert: join(dir, `${appId}.pem`), environment },
      {
        appId: `${appId}.token`,
        key: join(dir, p8),
        keyId,
        teamId,
        topic: appId,
        environment,
      },
    ]);

    const ca = texts['ca.pem'] ?? '';
    const pem = texts['com.example.app.pem'] ?? '';
    const key = texts[p8] ?? '';
    const topics = [appId];
    const authorization = bearer({ key, keyId, teamId, topic: appId, topics, environment });
    assert.equal(await push(simulator.url, { ca, cert: pem, key: pem }), 200);
    assert.equal(await push(simulator.url, { ca }, { authorization, 'apns-topic': appId }), 200);
    const lines = (await readFile(record, 'utf8')).trimEnd().split('\n');
    assert.equal(lines.length, 2 * restart);
    assert.equal(await simulator.stop(), 0);
  }
  assert.equal(contents.size, 1);
});

test('a full disk under the record is told once, ends nothing, and is told again when lines can be written', async () => {
  await using folder = await temporaryFolder();
  const record = join(folder.path, 'record.jsonl');
  const argv = ['--credentials', join(folder.path, 'made'), '--record', record];
  await using simulator = await running(...argv);
  const ca = await readFile(join(folder.path, 'made/ca.pem'), 'utf8');
  const cert = await readFile(join(folder.path, 'made/com.example.app.pem'), 'utf8');
  const pushes = async (count: number) => {
    for (let i = 0; i < count; i += 1) {
      assert.equal(await push(simulator.url, { ca, cert, key: cert }), 200);
    }
  };
  // What the kernel says of a file that has reached its limit is what it says of a full disk, but for the name.
  const limit = (bytes: string | number) =>
    execFileSync('prlimit', ['--pid', simulator.pid, `--fsize=${bytes}:unlimited`]);
  await pushes(1);
  limit((await stat(record)).size + 10);
  await pushes(3);
  limit('unlimited');
  await pushes(1);
  assert.equal(
    (await simulator.stderr.next()).value,
    `apnsd simulate: ${record} can't be written (EFBIG: file too large, write), requests go on without a record`,
  );
  assert.equal(
    (await simulator.stderr.next()).value,
    `apnsd simulate: ${record} is written again, 3 requests are missing in it`,
  );
  const lines = (await readFile(record, 'utf8')).trimEnd().split('\n');
  assert.equal(lines.length, 3);
  assert.equal(lines[1]?.length, 10);
  for (const index of [0, 2]) assert.equal(JSON.parse(lines[index] ?? '').status, 200);
  assert.equal(await simulator.stop(), 0);
  assert.deepEqual(await simulator.stderr.next(), { done: true, value: undefined });
});

test('it plays on where nobody reads its stdout or stderr any more', async () => {
  await using folder = await temporaryFolder();
  const credentials = join(folder.path, 'made');
  const argv = ['--listen', '127.0.0.1:0', '--credentials', credentials, '--record', '/dev/full'];
  const node = nodeArguments('simulate', ...argv);
  const child = keep(spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const ended = once(child, 'exit');
  child.stderr.destroy();
  // It goes on with its second line, which nobody hears.
  const [line] = await once(createInterface(child.stdout), 'line');
  child.stdout.destroy();
  const [url = ''] = /https:\S+/.exec(String(line)) ?? [];
  const ca = await readFile(join(credentials, 'ca.pem'), 'utf8');
  const pem = await readFile(join(credentials, 'com.example.app.pem'), 'utf8');
  for (let i = 0; i < 2; i += 1) assert.equal(await push(url, { ca, cert: pem, key: pem }), 200);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

test('without a folder it makes one, and takes it away at the end', async () => {
  await using simulator = await running();
  const [, config = ''] = / --config (\S+) /.exec(simulator.serve) ?? [];
  assert.ok((await stat(config)).isFile());
  await simulator.stop();
  await assert.rejects(stat(config), { code: 'ENOENT' });
});

test('--cold-streams is how many streams a connection may open before its first valid token', async () => {
  await using folder = await temporaryFolder();
  const argv = ['--credentials', folder.path, '--cold-streams', '50'];
  await using simulator = await running(...argv);
  const ca = await readFile(join(folder.path, 'ca.pem'), 'utf8');
  const session = connect(simulator.url, { ca });
  const [{ maxConcurrentStreams }] = await once(session, 'remoteSettings');
  session.destroy();
  assert.equal(maxConcurrentStreams, 50);
});

test('its certificate has the names that were asked for, and a client that asks for one of them finds it', async () => {
  await using folder = await temporaryFolder();
  const names = ['--name', 'apns.example.org', '--name', '192.0.2.7'];
  await using simulator = await running('--credentials', folder.path, ...names);
  const ca = await readFile(join(folder.path, 'ca.pem'), 'utf8');
  const pem = await readFile(join(folder.path, 'com.example.app.pem'), 'utf8');
  const credentials = { ca, cert: pem, key: pem };
  for (const servername of ['apns.example.org', 'api.sandbox.push.apple.com']) {
    assert.equal(await push(simulator.url, { ...credentials, servername }), 200);
  }
});

test('it never writes over a file that it did not make', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'ca.pem'), 'precious');
  const { code, stderr } = await run('--credentials', folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /ca\.pem/);
  assert.equal(await readFile(join(folder.path, 'ca.pem'), 'utf8'), 'precious');
});

test('help is on stdout', async () => {
  const { code, stdout, stderr } = await run('--help');
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: apnsd simulate/);
  assert.equal(stderr, '');
});

test('wrong usage ends with 2, a failure with 1, each with one line', async (t) => {
  await using folder = await temporaryFolder();
  const spoilt = join(folder.path, 'config.json');
  await writeFile(spoilt, '{}');
  await using taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const rows: [argv: string[], code: number, line: RegExp][] = [
    [['--nonsense'], 2, /--nonsense/],
    [['extra'], 2, /extra/],
    [['--listen'], 2, /--listen/],
    [['--cold-streams', '0'], 2, /--cold-streams is '0', expected a whole number from 1/],
    [['--cold-streams', 'many'], 2, /--cold-streams is 'many'/],
    [['--name', 'two words'], 2, /names has 'two words', expected host names/],
    [['--listen', 'nowhere'], 2, /listen is 'nowhere', expected HOST:PORT/],
    [['--listen', '127.0.0.1:99999'], 2, /expected HOST:PORT/],
    [['--listen', `127.0.0.1:${port}`], 1, /EADDRINUSE/],
    [['--credentials', '/dev/null/x'], 1, /\/dev\/null/],
    [['--credentials', '/proc/x'], 1, /\/proc\/x/],
    [['--credentials', folder.path], 1, /config\.json has no entry/],
    [['--record', '/dev/null/x'], 1, /\/dev\/null/],
  ];
  for (const [argv, code, line] of rows) {
    await t.test(argv.join(' '), async () => {
      const result = await run(...argv);
      assert.equal(result.code, code);
      assert.match(result.stderr, line);
      assert.match(result.stderr, /^apnsd simulate: [^\n]+\n$/);
      assert.equal(result.stdout, '');
    });
  }
});
