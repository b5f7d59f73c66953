import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsFrom } from '../../../src/client/config/settings.js';
import { ConfigError, createClient, type Options } from '../../../src/index.js';

const app = { appId: 'A', cert: '/a.pem', environment: 'sandbox' } as const;

function reasonsFor(options: unknown): string[] {
  try {
    createClient(options as Options);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message.split('; ');
  }
  return [];
}

test('everything has its default', () => {
  const settings = settingsFrom({});
  assert.deepEqual(settings.host.connect, { host: '127.0.0.1', port: 7077 });
  assert.equal(settings.timeoutMs, 15_000);
  assert.equal(settings.deadlineMs, 60_000);
  assert.deepEqual(settings.retry, { firstDelayMs: 100, factor: 2, maxDelayMs: 2000 });
  assert.equal(settings.maxPending, 100_000);
  assert.equal(settings.collapseRepeats, true);
  assert.equal(settings.maxAnswerBytes, 67_108_864);
  assert.deepEqual(settings.on, {});
  assert.equal(settings.initial.size, 0);
  assert.ok(Object.isFrozen(settings));
});

test('host may be http, https or a unix socket, with a secret', () => {
  const hosts: [string, object, string | undefined][] = [
    ['http://localhost:7077/', { host: 'localhost', port: 7077 }, undefined],
    ['http://h/RPC2', { host: 'h', port: 80 }, undefined],
    ['https://u:p%40s@[::1]/', { host: '::1', port: 443 }, 'Basic dTpwQHM='],
    ['unix:/run/apnsd.sock', { socketPath: '/run/apnsd.sock' }, undefined],
    ['unix:/run/a,b.sock', { socketPath: '/run/a,b.sock' }, undefined],
    ['http://u:p,q@h/', { host: 'h', port: 80 }, `Basic ${btoa('u:p,q')}`],
  ];
  for (const [host, connect, authorization] of hosts) {
    const settings = settingsFrom({ host });
    assert.deepEqual(settings.host.connect, connect);
    assert.equal(settings.host.authorization, authorization);
    assert.doesNotMatch(settings.host.shown, /p%40s|p@s/);
  }
});

/** Of which only the first was taken, or what no host is called. */
const hostLists = [
  ['http://a:7077/'],
  ['http://a:7077/', 'http://b:7077/'],
  'http://a:7077/,http://b:7077/',
  'http://a:7077, http://b:7077',
  'http://a,b:7077/',
  'http://u:s@a/,http://u:s@b/',
  'unix:/a.sock,unix:/b.sock',
];

test('each wrong option is named, with what was expected', () => {
  const rows: [unknown, RegExp][] = [
    [null, /^options are null, expected an object/],
    [{ hots: 'x' }, /^hots is no option, did you mean host\?$/],
    [{ timeout: 5 }, /^timeout is no option, did you mean timeoutMs\?$/],
    [{ zzzzzzzz: 5 }, /^zzzzzzzz is no option, expected host, initial,/],
    [{ host: 'ftp://x' }, /^host is no http/],
    [{ host: 'http://u:%zz@x' }, /^host is no http/],
    [{ host: 'unix:relative' }, /^host is 'unix:relative', expected unix:\/path.sock$/],
    [{ host: 7077 }, /^host is no http/],
    ...hostLists.map((host): [unknown, RegExp] => [
      { host },
      /^host is a list, expected one URL: a list of daemons is not supported$/,
    ]),
    [{ on: [] }, /^on is a list, expected an object of healing, healed, retry, rejected, overl/],
    [{ on: { reject: () => {} } }, /^on.reject is no option, did you mean on.rejected\?$/],
    [{ on: { rejected: 'forget' } }, /^on.rejected is 'forget', expected a function$/],
    [{ maxAnswerBytes: '1' }, /^maxAnswerBytes is '1', expected a number from 1/],
    [{ initial: {} }, /^initial is an object, expected a list/],
    [{ initial: [1] }, /^initial\[0\] is 1, expected an object/],
    [{ initial: [{ ...app, appId: '' }] }, /^initial\[0\].appId is '', expected a name$/],
    [{ initial: [{ ...app, environment: 'dev' }] }, /^initial\[0\].environment is 'dev'/],
    [
      { initial: [{ ...app, cert: undefined }] },
      /^initial\[0\] has neither cert nor key, expected one of them/,
    ],
    [
      { initial: [{ ...app, key: '/k.p8', keyId: 'K', teamId: 'T', topic: 't' }] },
      /^initial\[0\] has both cert and key, expected one of them$/,
    ],
    [{ initial: [{ ...app, cert: 'a.pem' }] }, /^initial\[0\].cert is neither PEM text nor an abs/],
    [{ initial: [{ ...app, cert: 5 }] }, /^initial\[0\].cert is number, expected an absolute path/],
    [
      { initial: [{ ...app, cert: Buffer.from('/a.pem') }] },
      /^initial\[0\].cert is a Buffer of neither PEM text nor a .p12 file$/,
    ],
    [{ initial: [{ ...app, cert: '' }] }, /^initial\[0\].cert is empty, expected an absolute/],
    [{ initial: [{ ...app, passphrase: 5 }] }, /^initial\[0\].passphrase is number, expected/],
    [{ initial: [{ ...app, certt: 5 }] }, /^initial\[0\].certt is no option, did you mean initial/],
    [{ initial: [app, app] }, /^initial\[1\].appId 'A' is there twice$/],
    [{ initial: [app], defaultAppId: 'B' }, /^defaultAppId is 'B', expected one of A$/],
    [{ defaultAppId: 5 }, /^defaultAppId is 5, expected the name of an app$/],
    [{ timeoutMs: 0 }, /^timeoutMs is 0, expected a number from 1/],
    [{ deadlineMs: Number.NaN }, /^deadlineMs is NaN/],
    [{ deadlineMs: 1e12 }, /^deadlineMs is 1000000000000/],
    [{ collapseRepeats: 0 as never }, /^collapseRepeats is 0, expected true or false/],
    [{ maxPending: 0 }, /^maxPending is 0, expected a number from 1/],
    [{ retry: { factor: '2' } }, /^retry.factor is '2'/],
    [
      { retry: { firstDelay: 2 } },
      /^retry.firstDelay is no option, did you mean retry.firstDelayMs/,
    ],
    [{ tls: { caa: 2 } }, /^tls.caa is no option, did you mean tls.ca\?$/],
  ];
  for (const [options, reason] of rows) {
    const reasons = reasonsFor(options);
    assert.equal(reasons.length, 1, `${JSON.stringify(options)}: ${reasons}`);
    assert.match(reasons[0] ?? '', reason);
  }
});

test('a key needs its id, its team and its topic', () => {
  const reasons = reasonsFor({ initial: [{ appId: 'A', key: '/k.p8', environment: 'sandbox' }] });
  assert.deepEqual(reasons, [
    'initial[0].keyId is missing, a key needs it',
    'initial[0].teamId is missing, a key needs it',
    'initial[0].topic is missing, a key needs it',
  ]);
});

test('all that is wrong comes in one error', () => {
  assert.equal(reasonsFor({ timeoutMs: -1, deadlineMs: -1, hots: 1, host: 'x' }).length, 4);
});

test('no secret is shown in an error', () => {
  const secret = 'c2VjcmV0LWtleS1ieXRlcw';
  const reasons = reasonsFor({
    host: `http://user:${secret}%@host`,
    initial: [{ ...app, cert: secret }],
  });
  assert.equal(reasons.length, 2);
  assert.doesNotMatch(reasons.join(), new RegExp(secret));
});

test('a Buffer of PEM text is taken as text', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  const { initial } = settingsFrom({ initial: [{ ...app, cert: Buffer.from(pem) }] });
  assert.equal(initial.get('A')?.cert, pem);
});

test('a .p12 is taken as a Buffer and as base64 text, and goes as base64 text, with its passphrase', () => {
  const p12 = Buffer.concat([Buffer.of(0x30, 0x82, 0x09, 0xff), Buffer.alloc(2559, 7)]);
  const text = p12.toString('base64');
  for (const cert of [p12, new Uint8Array(p12) as Buffer, text]) {
    const { initial } = settingsFrom({ initial: [{ ...app, cert, passphrase: 'sesame' }] });
    assert.equal(initial.get('A')?.cert, text);
    assert.equal(initial.get('A')?.passphrase, 'sesame');
  }
});

test('the only app is the default', () => {
  assert.equal(settingsFrom({ initial: [app] }).defaultAppId, 'A');
  const two = [app, { ...app, appId: 'B' }];
  assert.equal(settingsFrom({ initial: two }).defaultAppId, undefined);
  assert.equal(settingsFrom({ initial: two, defaultAppId: 'B' }).defaultAppId, 'B');
});
