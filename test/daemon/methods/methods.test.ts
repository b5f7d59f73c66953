import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, send } from '../../support/calling.js';

const { version } = createRequire(import.meta.url)('../../../package.json');

test('system.listMethods lists them all in order', async () => {
  await using daemon = await createDaemon({ listen: '127.0.0.1:0' });
  assert.deepEqual(await call(daemon.url, 'system.listMethods'), [
    'apnsd.feedback',
    'apnsd.provision',
    'apnsd.send',
    'apnsd.status',
    'feedback',
    'notify',
    'provision',
    'system.listMethods',
    'system.methodHelp',
    'system.methodSignature',
    'system.multicall',
  ]);
});

test('apnsd.status tells version, uptime and each app with its counts, and no secret', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  assert.deepEqual(await call(host, 'apnsd.status'), {
    version,
    uptime: 0,
    apps: [],
    answers: { underWay: 0, kept: 0, failed: 0, forgotten: 0 },
  });

  const { key, keyId, teamId, topic } = simulator.key;
  const environment = 'sandbox';
  const cert = await simulator.issueCertificate({ topic, environment: 'none' });
  await call(host, 'apnsd.provision', { appId: 'a', cert, environment });
  await call(host, 'apnsd.provision', { appId: 'b', key, keyId, teamId, topic, environment });
  simulator.unregister('01');
  simulator.answer({ status: 404, reason: 'BadPath' }, { token: '02' });
  await send(host, 'a', [
    {
      payload: { aps: { alert: 'Hello' } },
      to: ['00', '01', '02', '03'].map((token) => [token, crypto.randomUUID()]),
    },
  ]);

  const status = (await call(host, 'apnsd.status')) as { apps: { expiresAt?: number }[] };
  const [a, b] = status.apps;
  const common = { environment, topic, changing: false };
  const { expiresAt, ...rest } = a ?? {};
  assert.ok(Number(expiresAt) > Date.now());
  assert.deepEqual(rest, {
    ...common,
    appId: 'a',
    credentials: 'certificate',
    warnings: ["the certificate has none of Apple's extensions: its environment is unknown"],
    feedback: { waiting: 1, maxWaiting: 100_000, dropped: 0 },
    counts: { accepted: 2, rejected: 1, failed: 1, attempts: 4 },
  });
  assert.deepEqual(b, {
    ...common,
    appId: 'b',
    credentials: 'token',
    warnings: [],
    feedback: { waiting: 0, maxWaiting: 100_000, dropped: 0 },
    counts: { accepted: 0, rejected: 0, failed: 0, attempts: 0 },
  });
});

test('apnsd.status has the last refusal of the credentials and since when, until Apple accepts again', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator, initial } = daemon;
  await call(host, 'apnsd.provision', initial[0]);
  const refusalAfter = async (answer?: { status: number; reason: string }) => {
    if (answer) simulator.answer(answer);
    const to: [string, string][] = [['aa', crypto.randomUUID()]];
    await send(host, initial[0]?.appId ?? '', [{ payload: { aps: { alert: 'Hello' } }, to }]);
    const { apps } = (await call(host, 'apnsd.status')) as {
      apps: { refusal?: { reason: string; since: number } }[];
    };
    return apps[0]?.refusal;
  };
  const before = Date.now();
  const first = await refusalAfter({ status: 403, reason: 'BadCertificate' });
  const since = first?.since ?? 0;
  assert.ok(since >= before && since <= Date.now());
  assert.equal(first?.reason, 'Apple answered 403 BadCertificate');
  const reason = 'Apple answered 403 Forbidden';
  assert.deepEqual(await refusalAfter({ status: 403, reason: 'Forbidden' }), { reason, since });
  const badTopic = { status: 400, reason: 'BadTopic' };
  assert.deepEqual(await refusalAfter(badTopic), { reason, since });
  assert.equal(await refusalAfter(), undefined);
});

test('a method of ours with a wrong number of parameters is fault 400 that tells what it takes', async () => {
  await using daemon = await createDaemon({ listen: '127.0.0.1:0' });
  const cases: [method: string, params: unknown[], faultString: string][] = [
    ['apnsd.status', [1], 'there are 1 parameters, expected 0'],
    ['apnsd.send', ['a'], 'there are 1 parameters, expected 2: appId, request'],
    ['apnsd.feedback', ['a', '', ''], 'there are 3 parameters, expected 2: appId, cursor'],
    ['feedback', [], 'there are 0 parameters, expected 1: appId'],
  ];
  for (const [method, params, faultString] of cases) {
    await assert.rejects(call(daemon.url, method, ...params), { faultCode: 400, faultString });
  }
});
