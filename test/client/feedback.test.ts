import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient, ProtocolError, UnknownAppIdError } from '../../src/index.js';
import type { Value } from '../../src/rpc/xml.js';
import { startTestDaemon, type TestDaemon } from '../../src/testing/index.js';
import { freePort, goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';

const at = new Date(1_700_000_000_000);
const retry = { firstDelayMs: 10, maxDelayMs: 50 };

function clientOf({ host, initial }: TestDaemon) {
  return createClient({ host, initial, retry });
}

/** Has Apple call a token dead. */
async function kill({ simulator }: TestDaemon, client: ReturnType<typeof clientOf>, token: string) {
  simulator.unregister(token, { at });
  await client.notify(token, 'hello');
}

test('feedback lists dead tokens with their time, and acknowledges the list of its previous call', async () => {
  await using daemon = await startTestDaemon();
  await using client = clientOf(daemon);
  await kill(daemon, client, 'aa');
  assert.deepEqual(await client.feedback(), [{ token: 'aa', unregisteredAt: at }]);
  await kill(daemon, client, 'bb');
  assert.deepEqual(await client.feedback(), [{ token: 'bb', unregisteredAt: at }]);
  assert.deepEqual(await client.feedback(), []);
});

test('a client that ends before its next call has acknowledged nothing', async () => {
  await using daemon = await startTestDaemon();
  for (let start = 0; start < 2; start += 1) {
    await using client = clientOf(daemon);
    if (start === 0) await kill(daemon, client, 'aa');
    assert.deepEqual(await client.feedback(), [{ token: 'aa', unregisteredAt: at }]);
  }
});

test("a cursor of the daemon's earlier run forgets nothing in the next", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const earlier = await startTestDaemon({ daemon: { listen } });
  await using client = clientOf(earlier);
  await kill(earlier, client, 'aa');
  await kill(earlier, client, 'bb');
  assert.equal((await client.feedback()).length, 2);
  await earlier.close();
  await using daemon = await startTestDaemon({ daemon: { listen } });
  client.configure({ host: daemon.host, initial: daemon.initial, retry });
  await kill(daemon, client, 'cc');
  assert.deepEqual(await client.feedback(), [{ token: 'cc', unregisteredAt: at }]);
});

test('a list whose caller has gone is not acknowledged by the next call', async () => {
  const gone = new AbortController();
  const cursors: unknown[] = [];
  await using daemon = await scriptedDaemon((call, response) => {
    if (call.method !== 'apnsd.feedback') return goodDaemon(call, response);
    cursors.push(call.params[1]);
    return { entries: [], cursor: `c${cursors.length}` };
  });
  const cert = '/cert.pem';
  const initial = [{ appId: 'A', cert, environment: 'sandbox' as const }];
  await using client = createClient({ host: daemon.url, initial });
  await client.feedback();
  const { script } = daemon;
  daemon.script = (call, response) => {
    gone.abort(new Error('enough'));
    return script(call, response);
  };
  await assert.rejects(client.feedback('A', { signal: gone.signal }), { message: 'enough' });
  daemon.script = script;
  await client.feedback();
  await client.feedback();
  assert.deepEqual(cursors, ['', 'c1', 'c1', 'c3']);
});

test('an app that the daemon does not know, and the client neither, is UnknownAppIdError', async () => {
  await using daemon = await startTestDaemon();
  await using client = clientOf(daemon);
  await client.provision();
  await assert.rejects(client.feedback('other'), UnknownAppIdError);
});

test('an answer without entries or cursor, or with an entry that is none, is ProtocolError', async () => {
  const entries = [null, [], { token: 'aa' }, { token: 1, unregisteredAt: 1 }];
  const answers: Value[] = [[], { entries: [] }, { cursor: '' }, { entries: {}, cursor: '' }];
  for (const entry of entries) answers.push({ entries: [entry], cursor: '' });
  for (const answer of answers) {
    await using daemon = await scriptedDaemon(() => answer);
    await using client = createClient({ host: daemon.url, defaultAppId: 'A' });
    await assert.rejects(client.feedback(), ProtocolError);
  }
});
