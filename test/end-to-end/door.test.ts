import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  AuthenticationError,
  createClient,
  DeadlineError,
  InvalidArgumentError,
  type Options,
  OverloadedError,
} from '../../src/index.js';
import {
  createAuthority,
  startTestDaemon,
  type TestDaemonOptions,
} from '../../src/testing/index.js';
import { folder } from '../support/folder.js';

const token = 'ab'.repeat(32);
const retry = { firstDelayMs: 10, maxDelayMs: 50 };

/** @returns a client of the daemon, by what `open` makes of its host */
async function start(
  daemonOptions: NonNullable<TestDaemonOptions['daemon']>,
  open: (host: string) => Options,
) {
  const daemon = await startTestDaemon({ daemon: daemonOptions });
  const client = (options: Options = {}) =>
    createClient({ initial: daemon.initial, retry, ...open(daemon.host), ...options });
  return Object.assign(daemon, { client });
}

function withSecret(host: string, secret: string): string {
  return host.replace('://', `://${secret}@`);
}

async function certificates() {
  const authority = await createAuthority();
  const { certificate: cert, key } = await authority.serverCertificate();
  const wish = { topic: 'com.example.caller', environment: 'none' } as const;
  const own = await authority.issueCertificate(wish);
  return { ca: authority.ca, tls: { cert, key }, own: { cert: own, key: own } };
}

test('a client pushes through a unix socket', async () => {
  const listen = `unix:${join(folder, 'client.sock')}`;
  await using daemon = await start({ listen }, (host) => ({ host }));
  await using client = daemon.client();
  assert.equal(daemon.host, listen);
  assert.equal((await client.notify(token, 'hello')).status, 'accepted');
});

test('a client pushes over TLS with the secret in its host, and a wrong or missing one is AuthenticationError at once', async () => {
  const { ca, tls } = await certificates();
  const secrets = ['app:se cret/@'];
  await using daemon = await start({ tls, secrets }, (host) => ({
    host: withSecret(host, 'app:se%20cret%2F%40'),
    tls: { ca },
  }));
  await using client = daemon.client();
  assert.equal((await client.notify(token, 'hello')).status, 'accepted');
  for (const host of [daemon.host, withSecret(daemon.host, 'app:secret')]) {
    await using stranger = daemon.client({ host });
    await assert.rejects(stranger.notify(token, 'hello'), (error: Error) => {
      assert.ok(error instanceof AuthenticationError, String(error));
      assert.match(error.message, /^https:\/\/127\.0\.0\.1:\d+ answered HTTP 401: wrong or miss/);
      return true;
    });
  }
  assert.equal(daemon.simulator.accepted.length, 1);
});

test('a client pushes with its certificate, and without one it is AuthenticationError at once', async () => {
  const { ca, tls, own } = await certificates();
  await using daemon = await start({ tls: { ...tls, clientCa: ca } }, (host) => ({ host }));
  await using client = daemon.client({ tls: { ca, ...own } });
  assert.equal((await client.notify(token, 'hello')).status, 'accepted');
  await using stranger = daemon.client({ tls: { ca } });
  await assert.rejects(stranger.notify(token, 'hello'), AuthenticationError);
});

test('a daemon whose authority the client does not know gets no notification', async () => {
  const { tls } = await certificates();
  await using daemon = await start({ tls }, (host) => ({ host }));
  await using client = daemon.client({ deadlineMs: 1500 });
  await assert.rejects(client.notify(token, 'hello'), (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(error.message, /unable to verify the first certificate|self-signed/);
    return true;
  });
});

test('a body that the daemon does not take is InvalidArgumentError at once', async () => {
  await using daemon = await start({ maxBodyBytes: 100 }, (host) => ({ host }));
  await using client = daemon.client();
  await assert.rejects(client.notify(token, 'hello'), (error: Error) => {
    assert.ok(error instanceof InvalidArgumentError);
    assert.match(error.message, /answered HTTP 413$/);
    return true;
  });
});

test('a daemon with too many calls in flight is asked again', async () => {
  await using daemon = await start({ maxCalls: 1 }, (host) => ({ host }));
  const { simulator } = daemon;
  await using client = daemon.client();
  await client.provision();
  const release = simulator.hold();
  const first = client.notify(token, 'first');
  await simulator.until(() => simulator.pending === 1);
  await using late = daemon.client({ initial: [], defaultAppId: daemon.initial[0]?.appId ?? '' });
  await assert.rejects(
    late.notify(token, 'late', 1, null, { deadlineMs: 1000 }),
    (error: Error) => {
      assert.ok(error instanceof DeadlineError);
      assert.ok(error.cause instanceof OverloadedError, String(error.cause));
      return true;
    },
  );
  const second = late.notify(token, 'second');
  release();
  assert.deepEqual(
    (await Promise.all([first, second])).map(({ status }) => status),
    ['accepted', 'accepted'],
  );
});
