import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsFrom } from '../../../src/daemon/config/settings.js';
import { createDaemon, type DaemonOptions } from '../../../src/daemon/index.js';
import { ApnsdError, ConfigError, CredentialsError } from '../../../src/errors.js';
import { createAuthority } from '../../../src/testing/index.js';

async function errorOf(options: object): Promise<ApnsdError> {
  const error = await createDaemon(options as DaemonOptions).then(
    async (daemon) => {
      await daemon.close();
      assert.fail(`it started with ${JSON.stringify(options)}`);
    },
    (error) => error,
  );
  assert.ok(error instanceof ApnsdError, String(error));
  return error;
}

test('a wrong option is a ConfigError that names it, its value and what was expected', async () => {
  const address = 'expected HOST:PORT or unix:/path.sock';
  const cases: [options: object, message: string][] = [
    [
      { port: 7077 },
      'port is no option, expected listen, listenMode, tls, secrets, insecure, certRoot, gateways, ca, initial, watchMs, remember, feedbackTime, drainTimeoutMs, maxBodyBytes, maxDepth, maxValues, maxNameLength, maxTextLength, maxCalls, maxCallBytes, maxAnswerBytes, maxConnections, headersTimeoutMs, requestTimeoutMs, log',
    ],
    [{ feedbackTime: 'CET' }, 'feedbackTime is "CET", expected local or utc'],
    [{ listen: '7077' }, `listen is "7077", ${address}`],
    [{ listen: '127.0.0.1' }, `listen is "127.0.0.1", ${address}`],
    [{ listen: '127.0.0.1:65536' }, `listen is "127.0.0.1:65536", ${address}`],
    [{ listen: '::1:7077' }, `listen is "::1:7077", ${address}`],
    [
      { gateways: { staging: 'https://127.0.0.1' } },
      'gateways has "staging", expected sandbox or production',
    ],
    [
      { gateways: { sandbox: 'http://127.0.0.1:2197' } },
      'gateways.sandbox is "http://127.0.0.1:2197", expected https://host:port',
    ],
    [
      { gateways: { production: 'api.push.apple.com' } },
      'gateways.production is "api.push.apple.com", expected https://host:port',
    ],
    [{ ca: { staging: '' } }, 'ca has "staging", expected sandbox or production'],
    [{ drainTimeoutMs: -1 }, 'drainTimeoutMs is -1, expected a number from 0 to 86400000'],
    [
      { drainTimeoutMs: Number.POSITIVE_INFINITY },
      'drainTimeoutMs is Infinity, expected a number from 0 to 86400000',
    ],
    [{ maxBodyBytes: Number.NaN }, 'maxBodyBytes is NaN, expected a whole number'],
    [{ certRoot: '/no/such' }, 'certRoot is "/no/such", expected a folder'],
    [
      { certRoot: import.meta.filename },
      `certRoot is "${import.meta.filename}", expected a folder`,
    ],
    [{ tls: { cert: 'x' } }, 'tls.key is missing'],
    [{ tls: { key: 'x' } }, 'tls.cert is missing'],
    [{ secrets: [] }, 'secrets is empty, expected at least one user:secret'],
    [{ secrets: ['a:b', ':c'] }, 'secrets[1] is no user:secret'],
    [{ secrets: ['a:'] }, 'secrets[0] is no user:secret'],
  ];
  for (const [options, message] of cases) {
    const error = await errorOf(options);
    assert.ok(error instanceof ConfigError);
    assert.equal(error.message, message);
  }
});

test('an authority that is no certificate is refused at the start, not at the first connection', async () => {
  for (const ca of [
    '',
    'hello',
    ['-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----'],
    { production: 'hello' },
    { sandbox: [''] },
  ]) {
    const error = await errorOf({ ca });
    assert.ok(error instanceof CredentialsError);
    assert.equal(error.message, 'ca holds no CERTIFICATE, expected PEM text');
  }
});

test('a client authority that is no certificate is refused at the start', async () => {
  const error = await errorOf({ tls: { cert: '', key: '', clientCa: 'hello' } });
  assert.ok(error instanceof CredentialsError);
  assert.equal(error.message, 'tls.clientCa holds no CERTIFICATE, expected PEM text');
});

test("a gateway of one environment leaves the other Apple's, and may be Apple's other port", () => {
  const production = 'https://api.push.apple.com:2197';
  assert.deepEqual(settingsFrom({ gateways: { production } }).gateways, {
    production,
    sandbox: 'https://api.sandbox.push.apple.com:443',
  });
});

test('authorities are for both environments, or for the one that they stand under', async () => {
  const [{ ca: one }, { ca: other }] = await Promise.all([createAuthority(), createAuthority()]);
  const cases: [ca: DaemonOptions['ca'], sandbox: string[], production: string[]][] = [
    [undefined, [], []],
    [one, [one], [one]],
    [
      [one, other],
      [one, other],
      [one, other],
    ],
    [{ sandbox: one }, [one], []],
    [{ sandbox: [one], production: [one, other] }, [one], [one, other]],
  ];
  for (const [ca, sandbox, production] of cases) {
    assert.deepEqual(settingsFrom(ca === undefined ? {} : { ca }).ca, { sandbox, production });
  }
});
