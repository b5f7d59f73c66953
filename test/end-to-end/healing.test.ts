import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createDaemon, type Daemon } from '../../src/daemon/index.js';
import {
  createClient,
  DaemonUnavailableError,
  DeadlineError,
  type Options,
} from '../../src/index.js';
import { createSimulator, type Simulator } from '../../src/testing/index.js';
import { freePort, goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';

const token = 'ab'.repeat(32);

function daemonFor(simulator: Simulator, listen: string): Promise<Daemon> {
  return createDaemon({ listen, ca: simulator.ca, gateways: { sandbox: simulator.url } });
}

function clientFor(simulator: Simulator, port: number, options: Options = {}) {
  return createClient({
    host: `http://127.0.0.1:${port}/`,
    initial: [{ appId: 'A', cert: simulator.certificate, environment: 'sandbox' }],
    retry: { firstDelayMs: 10, maxDelayMs: 100 },
    ...options,
  });
}

test('an app that restarts sees nothing: provisioning again costs no connection to Apple', async () => {
  await using simulator = await createSimulator();
  const port = await freePort();
  await using _ = await daemonFor(simulator, `127.0.0.1:${port}`);
  for (let start = 0; start < 3; start += 1) {
    await using client = clientFor(simulator, port);
    const receipt = await client.notify(token, 'hello');
    assert.deepEqual([receipt.status, receipt.attempts], ['accepted', 1]);
  }
  assert.equal(simulator.connections, 1);
});

test('a daemon that restarts is provisioned again, and the app sees receipts only', async () => {
  await using simulator = await createSimulator();
  const port = await freePort();
  await using client = clientFor(simulator, port);
  for (let start = 0; start < 3; start += 1) {
    await using _ = await daemonFor(simulator, `127.0.0.1:${port}`);
    const receipts = await Promise.all(
      Array.from({ length: 20 }, (_, number) => client.notify(token, `message ${number}`)),
    );
    for (const { status } of receipts) assert.equal(status, 'accepted');
  }
  const ids = simulator.accepted.map(({ id }) => id);
  assert.equal(ids.length, 60);
  assert.equal(new Set(ids).size, 60);
});

test('an app that starts before its daemon waits for it', async () => {
  await using simulator = await createSimulator();
  const port = await freePort();
  await using client = clientFor(simulator, port);
  const early = client.notify(token, 'early');
  await once(client, 'healing');
  await using _ = await daemonFor(simulator, `127.0.0.1:${port}`);
  assert.equal((await early).status, 'accepted');
});

test('a daemon that never comes is a DeadlineError that says why', async () => {
  await using simulator = await createSimulator();
  await using client = clientFor(simulator, await freePort(), { deadlineMs: 100 });
  await assert.rejects(client.notify(token, 'x'), (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(
      error.message,
      /^no success within 100 ms: http:\/\/127.0.0.1:\d+ can't be reached/,
    );
    assert.ok(error.cause instanceof DaemonUnavailableError);
    return true;
  });
});

test('after a daemon that answered garbage, the real one answers', async () => {
  await using simulator = await createSimulator();
  const garbage = await scriptedDaemon((_, response) => void response.end('<html>502</html>'));
  await using client = clientFor(simulator, garbage.port);
  const receipt = client.notify(token, 'x');
  while (garbage.calls.length < 3) await new Promise(setImmediate);
  await garbage.close();
  await using _ = await daemonFor(simulator, `127.0.0.1:${garbage.port}`);
  assert.equal((await receipt).status, 'accepted');
});

test('after a daemon that never answered, the real one answers', async () => {
  await using simulator = await createSimulator();
  const silent = await scriptedDaemon((call, response) =>
    call.method === 'apnsd.send' ? undefined : goodDaemon(call, response),
  );
  await using client = clientFor(simulator, silent.port, { timeoutMs: 100 });
  const notified = client.notify(token, 'x');
  while (!silent.methods().includes('apnsd.send')) await new Promise(setImmediate);
  await silent.close();
  await using _ = await daemonFor(simulator, `127.0.0.1:${silent.port}`);
  const receipt = await notified;
  assert.equal(receipt.status, 'accepted');
  assert.equal(receipt.attempts, 2);
});

test('new credentials at run time are swapped in, and no call is disturbed', async () => {
  await using simulator = await createSimulator();
  const port = await freePort();
  await using _ = await daemonFor(simulator, `127.0.0.1:${port}`);
  await using client = clientFor(simulator, port);
  const { key, keyId, teamId, topic } = simulator.key;
  const host = `http://127.0.0.1:${port}/`;
  const byKey = { appId: 'A', environment: 'sandbox', key, keyId, teamId, topic } as const;
  const push = (count: number) =>
    Promise.all(Array.from({ length: count }, () => client.notify(token, 'x')));
  await push(1);
  const underWay = push(20);
  client.configure({ host, initial: [byKey] });
  const receipts = [...(await underWay), ...(await push(20))];
  for (const { status, attempts } of receipts) {
    assert.deepEqual([status, attempts], ['accepted', 1]);
  }
  // Until Apple has taken a connection with the new ones, the old ones serve.
  while (!simulator.requests.at(-1)?.headers.authorization) await push(1);
});
