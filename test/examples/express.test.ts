import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestDaemon, type TestDaemon } from 'apnsd/testing';
import { Example } from './example.js';

const token = 'c0ffee00'.repeat(8);

async function startApp(daemon: TestDaemon, cert = daemon.simulator.certificate) {
  const example = new Example('express.ts', {
    PORT: '0',
    APNSD_HOST: daemon.host,
    APNSD_CERT: cert,
  });
  const [, url] = await example.find(/listening on (.*)/);
  const send = async (method: string, path: string, body = {}) => {
    const headers = { 'content-type': 'application/json' };
    const options = { method, body: JSON.stringify(body), headers };
    const response = await fetch(`${url}${path}`, options);
    return { status: response.status, body: await response.text() };
  };
  return {
    process: example,
    seat: (table: number, body: object) => send('PUT', `/tables/${table}/device`, body),
    ready: (table: number) => send('POST', `/tables/${table}/ready`),
    [Symbol.asyncDispose]: () => example[Symbol.asyncDispose](),
  };
}

test('a guest whose table is ready is notified', async () => {
  await using daemon = await startTestDaemon();
  await using app = await startApp(daemon);
  assert.equal((await app.ready(7)).status, 404);
  assert.equal((await app.seat(7, { token })).status, 204);
  const { status, body } = await app.ready(7);
  assert.equal(status, 202);
  const [seen] = daemon.simulator.accepted;
  assert.deepEqual(JSON.parse(body), { id: seen?.id });
  assert.equal(seen?.token, token);
  assert.deepEqual(seen?.payload, {
    aps: { alert: 'Table 7 is ready', badge: 1, sound: 'default' },
  });
});

test('a dead token is forgotten; what else can be wrong with one leaves it as it is', async () => {
  await using daemon = await startTestDaemon();
  await using app = await startApp(daemon);
  assert.equal((await app.seat(1, {})).status, 400);
  await app.seat(2, { token: 'not hex' });
  assert.equal((await app.ready(2)).status, 400);

  await app.seat(3, { token });
  daemon.simulator.badDeviceToken(token);
  const refused = await app.ready(3);
  assert.equal(refused.status, 422);
  assert.match(refused.body, /BadDeviceToken/);
  daemon.simulator.unregister(token);
  assert.equal((await app.ready(3)).status, 410);
  assert.equal((await app.ready(3)).status, 404);
});

test('a wrong certificate is a matter for the log, not for the guest', async () => {
  await using daemon = await startTestDaemon();
  await using app = await startApp(daemon, '/no/such/file.pem');
  await app.seat(7, { token });
  const { status, body } = await app.ready(7);
  assert.equal(status, 500);
  assert.deepEqual(JSON.parse(body), { error: 'push is out of order' });
  app.process.child.kill('SIGTERM');
  const { stderr } = await app.process.ended;
  assert.match(stderr, /CredentialsError/);
});

test('a daemon that stays away is a gateway that does not answer', async () => {
  await using daemon = await startTestDaemon();
  await using app = await startApp(daemon);
  await daemon.close();
  await app.seat(7, { token });
  assert.equal((await app.ready(7)).status, 504);
});

test('SIGTERM lets a notification finish, and leaves nothing open', async () => {
  await using daemon = await startTestDaemon();
  await using app = await startApp(daemon);
  await app.seat(7, { token });
  daemon.simulator.delay(500, { when: 'after' });
  const recorded = daemon.simulator.nextRequest();
  const answer = app.ready(7);
  await recorded;
  app.process.child.kill('SIGTERM');
  assert.equal((await answer).status, 202);
  const { code, stderr } = await app.process.ended;
  assert.equal(stderr, '');
  assert.equal(code, 0);
});
