import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { createSimulator, startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, post, sendAndWait } from '../../support/calling.js';
import { file, folder } from '../../support/folder.js';
import { logBook } from '../../support/log-book.js';

const topic = 'com.example.app';
const alert = { aps: { alert: 'Hello' } };
const id = '00000000-0000-4000-8000-000000000001';

test('provision takes a certificate by path and as PEM text, and answers nil', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const path = await file('apns.pem', simulator.certificate);
  const byPath = callXml('provision', 'by path', path, 'sandbox', '<int>15</int>');
  assert.match((await post(host, byPath)).text, /<param><value><nil\/><\/value><\/param>/);
  assert.equal(await call(host, 'provision', 'as text', simulator.certificate, 'sandbox'), null);
  for (const appId of ['by path', 'as text']) {
    assert.equal(await call(host, 'notify', appId, 'aa11', alert), null);
  }
  const [one, other] = simulator.accepted;
  assert.deepEqual([one?.topic, other?.topic], [topic, topic]);
  assert.notEqual(one?.connection, other?.connection);
});

test('the timeout of provision may be a number, digits, or nil for the default', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  for (const timeout of [15, 0.5, '15', '0.5', null]) {
    const shown = JSON.stringify(timeout);
    const provisioned = call(host, 'provision', 'a', simulator.certificate, 'sandbox', timeout);
    assert.equal(await provisioned, null, shown);
    assert.equal(await call(host, 'notify', 'a', 'aa11', alert), null, shown);
  }
});

test('apnsd.provision takes a .p8 key by path and as text, and tells topic, environment and warnings', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const { key, keyId, teamId } = simulator.key;
  const entry = { environment: 'sandbox', keyId, teamId, topic };
  const path = await file(`AuthKey_${keyId}.p8`, key);
  for (const [appId, where] of [
    ['text', key],
    ['path', path],
  ] as const) {
    assert.deepEqual(await call(host, 'apnsd.provision', { ...entry, appId, key: where }), {
      topic,
      environment: 'sandbox',
      warnings: [],
    });
    const [answer] = await sendAndWait(host, appId, [{ payload: alert, to: [['aa11', id]] }]);
    assert.equal(answer?.status, 'accepted');
  }
  const [one, other] = simulator.accepted.map(({ headers }) => headers.authorization);
  assert.match(one ?? '', /^bearer /);
  assert.equal(one, other);
});

test('a .p8 file that Apple named for another key than keyId is a warning in result, status and log', async () => {
  const book = logBook();
  await using daemon = await startTestDaemon({ daemon: { log: book.log } });
  const { host, simulator } = daemon;
  const { key, keyId, teamId } = simulator.key;
  const entry = { appId: 'app', environment: 'sandbox', teamId, topic };
  const path = await file(`AuthKey_${keyId}.p8`, key);
  const warnings = [`the file is named AuthKey_${keyId}.p8, but keyId is MISTYPED00`];
  const provision = async (changed: object) => {
    const result = await call(host, 'apnsd.provision', { ...entry, key: path, ...changed });
    return (result as { warnings: string[] }).warnings;
  };
  const status = async () => {
    const { apps } = (await call(host, 'apnsd.status')) as {
      apps: { warnings: string[]; change?: { warnings: string[] } }[];
    };
    return apps[0];
  };
  assert.deepEqual(await provision({ keyId: 'MISTYPED00' }), warnings);
  assert.deepEqual(book.of('provisioned')[0]?.warnings, warnings);
  assert.deepEqual((await status())?.warnings, warnings);
  assert.deepEqual(await provision({ keyId }), []);
  await sendAndWait(host, 'app', [{ payload: alert, to: [['aa11', id]] }]);

  // As text it has no name, and another name says nothing.
  const renamed = await file('apns.p8', key);
  assert.deepEqual(await provision({ keyId: 'MISTYPED00', key }), []);
  assert.deepEqual(await provision({ keyId: 'MISTYPED00', key: renamed }), []);
  assert.deepEqual(await provision({ keyId: 'MISTYPED00' }), warnings);
  assert.deepEqual((await status())?.change?.warnings, warnings);
});

test("apnsd.provision tells a certificate's end in UNIX milliseconds, and warns a month before", async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const expiresAt = Math.ceil(Date.now() / 1000) * 1000 + 20 * 24 * 60 * 60 * 1000;
  const cert = await simulator.issueCertificate({ topic, notAfter: new Date(expiresAt) });
  assert.deepEqual(
    await call(host, 'apnsd.provision', { appId: topic, cert, environment: 'sandbox' }),
    {
      topic,
      environment: 'sandbox',
      warnings: [`the certificate expires on ${new Date(expiresAt).toISOString()}`],
      expiresAt,
    },
  );
});

test('an environment that is neither sandbox nor production is fault 401, with no key shown', async () => {
  await using daemon = await createDaemon({ listen: '127.0.0.1:0' });
  const wrong: [environment: string, shown: string][] = [
    ['Sandbox', '"Sandbox"'],
    ['development', '"development"'],
    ['', '""'],
    ['-----BEGIN PRIVATE KEY-----\nsecret', '"-----BEGIN PRIVA"'],
  ];
  const expected = 'expected "sandbox" or "production"';
  for (const [environment, shown] of wrong) {
    const fault = { faultCode: 401, faultString: `environment is ${shown}, ${expected}` };
    await assert.rejects(call(daemon.url, 'provision', 'app', '/a.pem', environment), fault);
    await assert.rejects(
      call(daemon.url, 'apnsd.provision', { appId: 'app', cert: '/a.pem', environment }),
      fault,
    );
  }
  await assert.rejects(call(daemon.url, 'apnsd.provision', { appId: 'app', cert: '/a.pem' }), {
    faultCode: 401,
    faultString: `environment is undefined, ${expected}`,
  });
  await assert.rejects(call(daemon.url, 'provision', 'app', '/a.pem', 1), { faultCode: 401 });
});

test('credentials that can not be used are fault 422 with every reason, and nothing is dialled', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const other = await simulator.issueCertificate({
    topic,
    environment: 'production',
    notAfter: new Date(Date.now() - 1000),
  });
  const mixed =
    other.slice(0, other.indexOf('-----BEGIN PRIVATE')) +
    simulator.certificate.slice(simulator.certificate.indexOf('-----BEGIN PRIVATE'));
  const cases: [cert: string, says: RegExp][] = [
    [
      mixed,
      /^the private key does not match .*; the certificate expired on .*; the certificate is for production, but environment is sandbox$/,
    ],
    [`-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n`, /no PRIVATE KEY.*parsed$/],
    ['apns.pem', /^cert is neither PEM text nor an absolute path$/],
    ['/no/such.pem', /^cert \/no\/such\.pem can't be read: ENOENT$/],
    [folder, /is not a regular file$/],
    [await file('secret.txt', 'secret'), /^cert is neither PEM text nor a \.p12 file$/],
  ];
  for (const [cert, says] of cases) {
    const entry = { appId: 'app', cert, environment: 'sandbox' };
    for (const [method, ...params] of [
      ['provision', 'app', cert, 'sandbox'],
      ['apnsd.provision', entry],
    ] as [string, ...unknown[]][]) {
      await assert.rejects(call(host, method, ...params), ({ faultCode, faultString }) => {
        assert.equal(faultCode, 422);
        assert.match(faultString, says);
        assert.doesNotMatch(faultString, /secret(?!\.txt)/);
        return true;
      });
    }
  }
  const { key, teamId } = simulator.key;
  await assert.rejects(
    call(host, 'apnsd.provision', { appId: 'app', key, teamId, environment: 'sandbox' }),
    {
      faultCode: 422,
      faultString:
        'keyId is not 10 capital letters and digits; topic is not of letters, digits, dots and hyphens',
    },
  );
  await assert.rejects(call(host, 'notify', 'app', 'aa11', alert), { faultCode: 404 });
  assert.equal(simulator.connections, 0);
});

test('parameters that are not what provision takes are fault 400, which names them', async () => {
  await using daemon = await createDaemon({ listen: '127.0.0.1:0' });
  const expected = 'expected 3 to 4: appId, cert, environment, timeout';
  const seconds = 'expected seconds above 0, up to 86400';
  const fields = 'expected appId, environment, cert, key, passphrase, keyId, teamId, topic';
  const token = 'ab'.repeat(32);
  const cases: [method: string, params: unknown[], faultString: string][] = [
    ['provision', [], `there are 0 parameters, ${expected}`],
    ['provision', ['app', '/a.pem', 'sandbox', 15, 1], `there are 5 parameters, ${expected}`],
    ['provision', [['app'], '/a.pem', 'sandbox'], 'appId is a list, expected a string'],
    ['provision', ['', '/a.pem', 'sandbox'], 'appId is "", expected 1 to 256 characters'],
    [
      'provision',
      ['x'.repeat(257), '/a.pem', 'sandbox'],
      `appId is "${'x'.repeat(16)}..." (257 characters), expected 1 to 256 characters`,
    ],
    [
      'apnsd.provision',
      [{ appId: '', environment: 'sandbox' }],
      'appId is "", expected 1 to 256 characters',
    ],
    ['provision', ['app', null, 'sandbox'], 'cert is nil, expected a string'],
    ['provision', ['app', '/a.pem', 'sandbox', 0], `timeout is 0, ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', -1], `timeout is -1, ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', 86_401], `timeout is 86401, ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', ''], `timeout is "", ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', '15 s'], `timeout is "15 s", ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', '1e3'], `timeout is "1e3", ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', '0'], `timeout is "0", ${seconds}`],
    ['provision', ['app', '/a.pem', 'sandbox', '86401'], `timeout is "86401", ${seconds}`],
    ['apnsd.provision', [], 'there are 0 parameters, expected 1: entry'],
    ['apnsd.provision', ['app'], `entry is "app", ${fields}`],
    ['apnsd.provision', [[]], `entry is a list, ${fields}`],
    ['apnsd.provision', [{}], 'appId is missing, expected a string'],
    [
      'apnsd.provision',
      [{ appId: 'a', environment: 'sandbox', cert: { a: 1 } }],
      'cert is a struct, expected a string',
    ],
    [
      'apnsd.provision',
      [{ appId: 'a', environment: 'sandbox', certificate: '/a.pem' }],
      `"certificate" is no field, ${fields}`,
    ],
    [
      'apnsd.provision',
      [{ appId: 'a', environment: 'sandbox', passphrase: 1.5 }],
      'passphrase is a number, expected a string',
    ],
    ['apnsd.provision', [{ appId: 'a', constructor: 'b' }], `"constructor" is no field, ${fields}`],
    [
      'apnsd.provision',
      [{ [token]: 'a' }],
      `"${token.slice(0, 16)}..." (64 characters) is no field, ${fields}`,
    ],
  ];
  for (const [method, params, faultString] of cases) {
    await assert.rejects(call(daemon.url, method, ...params), { faultCode: 400, faultString });
  }
});

test('an app id or a token of digits, and text as base64, are taken as the strings that they are', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  assert.equal(
    await call(host, 'provision', 7077, Buffer.from(simulator.certificate), 'sandbox'),
    null,
  );
  const payload = { aps: { alert: Buffer.from('Grüße') } };
  assert.equal(await call(host, 'notify', '7077', 123456, payload), null);
  assert.deepEqual(
    simulator.accepted.map(({ token, payload }) => ({ token, payload })),
    [{ token: '123456', payload: { aps: { alert: 'Grüße' } } }],
  );
});

test('a daemon that can not reach Apple takes an app all the same, and pushes once it can', async () => {
  let url: string;
  {
    await using simulator = await createSimulator();
    url = simulator.url;
  }
  const credentials = await createSimulator();
  await credentials.close();
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: url },
    ca: credentials.ca,
  });
  assert.equal(
    await call(daemon.url, 'provision', topic, credentials.certificate, 'sandbox', 20),
    null,
  );
  const notified = call(daemon.url, 'notify', topic, 'aa11', alert);
  await using simulator = await createSimulator({ listen: new URL(url).host });
  assert.equal(await notified, null);
  assert.equal(simulator.accepted.length, 1);
});
