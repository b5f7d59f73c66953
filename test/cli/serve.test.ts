import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveHelp } from '../../src/cli/serve-flags.js';
import { createDaemon } from '../../src/daemon/index.js';
import {
  createAuthority,
  createProviderKey,
  createSimulator,
  type Environment,
} from '../../src/testing/index.js';
import { call } from '../support/calling.js';
import { run, serve } from '../support/command.js';
import { file, folder } from '../support/folder.js';

const note = { aps: { alert: 'Hello' } };

/** A simulator, and the flags for a daemon that has the app `app` at it. */
async function startSimulator() {
  const simulator = await createSimulator();
  const cert = await file('apns.pem', simulator.certificate);
  const config = { initial: [{ appId: 'app', cert, environment: 'sandbox' }] };
  const flags = [
    ['--config', await file('config.json', JSON.stringify(config))],
    ['--ca', await file('ca.pem', simulator.ca)],
    ['--gateway', `sandbox=${simulator.url}`],
  ].flat();
  return Object.assign(simulator, { flags });
}

test('it says where it listens, logs in JSON, and pushes for the apps of its config', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags);
  assert.equal(await call(daemon.url, 'notify', 'app', 'aa11', note), null);
  assert.equal(simulator.accepted.length, 1);
  daemon.signal('SIGINT');
  assert.deepEqual(await daemon.ended, [0, null]);
  const events = daemon.lines.map((line) => JSON.parse(line).event);
  assert.deepEqual(events.slice(0, 2), ['listening', 'provisioned']);
  assert.deepEqual(events.slice(-1), ['stopped']);
});

/** A simulator of an authority of its own. */
async function startForeign(environment: Environment) {
  const authority = await createAuthority();
  const topic = 'com.example.app';
  const certificate = await authority.issueCertificate({ topic, environment });
  const key = await createProviderKey({ topics: [topic] });
  return createSimulator({ environment, credentials: { authority, certificate, key } });
}

test('--gateway and --ca may be given for each environment, and an authority is trusted there only', async () => {
  await using sandbox = await startForeign('sandbox');
  await using production = await startForeign('production');
  const ofSandbox = await file('sandbox.pem', sandbox.ca);
  const ofProduction = await file('production.pem', production.ca);
  const gateways = [sandbox, production].flatMap(({ environment, url }) => [
    '--gateway',
    `${environment}=${url}`,
  ]);
  const provision = async (url: string, timeout: number) => {
    await call(url, 'provision', 'a', sandbox.certificate, 'sandbox', timeout);
    await call(url, 'provision', 'b', production.certificate, 'production', timeout);
  };
  const right = [`sandbox=${ofSandbox}`, `production=${ofProduction}`];
  for (const authorities of [right, [ofSandbox, ofProduction]]) {
    await using daemon = await serve(...gateways, ...authorities.flatMap((ca) => ['--ca', ca]));
    await provision(daemon.url, 15);
    assert.equal(await call(daemon.url, 'notify', 'a', 'aa', note), null);
    assert.equal(await call(daemon.url, 'notify', 'b', 'bb', note), null);
  }
  await using daemon = await serve(...gateways, '--ca', `production=${ofSandbox}`);
  await provision(daemon.url, 0.5);
  await assert.rejects(call(daemon.url, 'notify', 'a', 'aa', note), { faultCode: 500 });
  await assert.rejects(call(daemon.url, 'notify', 'b', 'bb', note), { faultCode: 500 });
  assert.deepEqual([sandbox.accepted.length, production.accepted.length], [2, 2]);
});

test('after SIGTERM what was accepted is finished before it ends', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags);
  simulator.delay(300);
  const notified = call(daemon.url, 'notify', 'app', 'aa11', note);
  await simulator.until(() => simulator.pending === 1);
  daemon.signal('SIGTERM');
  assert.equal(await notified, null);
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('a second signal ends it at once, with 1', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags);
  simulator.stall({ when: 'after' });
  const lost = assert.rejects(call(daemon.url, 'notify', 'app', 'aa11', note));
  await simulator.nextRequest();
  daemon.signal('SIGTERM');
  await daemon.logged('stopping');
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [1, null]);
  await lost;
});

test('what is not finished after --drain-timeout is given up', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags, '--drain-timeout', '0.2');
  simulator.stall({ when: 'after' });
  const failed = assert.rejects(call(daemon.url, 'notify', 'app', 'aa11', note), {
    faultCode: 500,
  });
  await simulator.nextRequest();
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
  await failed;
});

test('SIGHUP reads the config again: changed apps change, new ones come, and bad ones change nothing', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags);
  const environment = 'sandbox';
  const cert = await file(
    'renewed.pem',
    await simulator.issueCertificate({ topic: 'com.example.renewed' }),
  );
  const { key, keyId, teamId, topic } = simulator.key;
  const config = (...initial: object[]) => file('config.json', JSON.stringify({ initial }));
  const usedFor = async (appId: string) => {
    assert.equal(await call(daemon.url, 'notify', appId, 'aa11', note), null);
    return simulator.accepted.at(-1)?.topic;
  };
  assert.equal(await usedFor('app'), topic);

  await file('config.json', '{ "initial": [');
  daemon.signal('SIGHUP');
  await daemon.logged('config refused');
  assert.equal(await usedFor('app'), topic);

  const bad = { appId: 'app', cert: join(folder, 'none.pem'), environment };
  await config(bad, { appId: 'other', key, keyId, teamId, topic, environment });
  daemon.signal('SIGHUP');
  await daemon.logged('config refused', 2);
  assert.equal(await usedFor('app'), topic);
  assert.equal(await usedFor('other'), topic);

  await config({ appId: 'app', cert, environment });
  daemon.signal('SIGHUP');
  await daemon.logged('changed');
  assert.equal(await usedFor('app'), 'com.example.renewed');
  assert.equal(await usedFor('other'), topic);

  const reasons = daemon.lines.flatMap((line) => JSON.parse(line).reason ?? []);
  assert.match(reasons[0], /config\.json is not JSON, expected/);
  assert.match(
    reasons[1],
    /^not provisioned: initial\[0\]: cert .*none\.pem can't be read: ENOENT$/,
  );
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('SIGHUP without a config is no end', async () => {
  await using daemon = await serve();
  daemon.signal('SIGHUP');
  await daemon.logged('no config to read again');
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('it goes on pushing when nobody reads its log any more', async () => {
  await using simulator = await startSimulator();
  await using daemon = await serve(...simulator.flags);
  await daemon.logged('connected');
  daemon.stderr.destroy();
  for (let i = 0; i < 3; i += 1) {
    await assert.rejects(call(daemon.url, 'feedback', 'other'), { faultCode: 404 });
  }
  assert.equal(await call(daemon.url, 'notify', 'app', 'aa11', note), null);
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});

test('--help lists every flag', async () => {
  assert.deepEqual(await run('serve', '--help'), { code: 0, stdout: serveHelp, stderr: '' });
});

test('a start that fails prints one line and nothing else: 2 for wrong usage, 1 for the rest', async () => {
  await using simulator = await startSimulator();
  await using other = await createDaemon({ listen: '127.0.0.1:0' });
  const taken = new URL(other.url).host;
  const secret = simulator.key.key.split('\n')[1] ?? '';
  const noJson = await file('no.json', `{"initial": [{"key": "${secret}`);
  const initial = [
    { appId: 'one', cert: 'apns.pem', environment: 'sandbox' },
    { appId: 'two', cert: join(folder, 'none.pem'), environment: 'sandbox' },
  ];
  const badEntries = await file('bad.json', JSON.stringify({ initial }));
  const noPem = await file('no.pem', 'hello');
  const cases: [argv: string[], code: number, says: RegExp][] = [
    [['--port', '7077'], 2, /'--port'/],
    [['--listen', '0.0.0.0:7077'], 2, /which others can reach: expected tls, and secrets or/],
    [['--gateway', 'sandbox'], 2, /^--gateway is "sandbox", expected ENV=URL$/],
    [
      ['--drain-timeout', 'soon'],
      2,
      /^--drain-timeout is "soon", expected seconds from 0 to 86400$/,
    ],
    [['--listen', taken, ...simulator.flags], 1, /EADDRINUSE/],
    [['--config', join(folder, 'none.json')], 1, /^--config .*none\.json can't be read: ENOENT$/],
    [['--config', noJson], 1, /no\.json is not JSON, expected \{ "initial": \[\.\.\.\] \}$/],
    [
      ['--config', badEntries],
      1,
      /^not provisioned: initial\[0\]: cert is neither PEM text nor an absolute path; initial\[1\]: cert .*none\.pem can't be read: ENOENT$/,
    ],
    [['--ca', join(folder, 'none.pem')], 1, /^--ca .*none\.pem can't be read: ENOENT$/],
    [['--ca', `production=${noPem}`], 1, /^ca holds no CERTIFICATE, expected PEM text$/],
  ];
  const check = async ([argv, code, says]: (typeof cases)[number]) => {
    // Port 0, so that a case which starts against our will takes nobody's port.
    const listen = argv.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    const ended = await run('serve', ...listen, ...argv);
    const [, message = ''] = /^apnsd serve: (.+)\n$/.exec(ended.stderr) ?? [];
    assert.match(message, says, `${argv.join(' ')}: ${ended.stderr}`);
    assert.ok(!ended.stderr.includes(secret));
    assert.deepEqual({ code: ended.code, stdout: ended.stdout }, { code, stdout: '' });
  };
  const queue = [...cases];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await check(next);
  };
  await Promise.all([worker(), worker()]);
  assert.equal(simulator.connections, 0);
});
