import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { DaemonUnavailableError, DeadlineError } from '../../src/index.js';
import {
  app,
  clientOf,
  countOf,
  cut,
  except,
  held,
  silence,
  token,
  until,
} from '../support/clients.js';
import { gateTo } from '../support/gate.js';
import { acceptAll, goodDaemon, type Script, scriptedDaemon } from '../support/scripted-daemon.js';

/** Long enough for a busy machine to answer what is to be answered. */
const timeoutMs = 400;

const hangs: [string, Script][] = [
  ['reads a call and never answers', silence],
  [
    'answers the head and never the body',
    (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': 1000 });
      response.flushHeaders();
      return undefined;
    },
  ],
  [
    'begins the body and never ends it',
    (_, response) => void response.write('<?xml version="1.0"?><methodResponse>'),
  ],
  [
    'is slower than timeoutMs',
    async (call) => {
      await new Promise((resolve) => setTimeout(resolve, 2 * timeoutMs));
      return acceptAll(call);
    },
  ],
];

for (const [name, script] of hangs) {
  test(`a daemon that ${name} is treated as down, and the call repeated when it is there`, async () => {
    await using daemon = await scriptedDaemon(except('apnsd.send', script));
    await using client = clientOf(daemon.url, { timeoutMs });
    const causes: unknown[] = [];
    client.on('healing', ({ cause }) => {
      causes.push(cause);
      daemon.script = goodDaemon;
    });
    const receipts = await Promise.all(Array.from({ length: 5 }, () => client.notify(token, 'x')));
    assert.deepEqual(new Set(receipts.map(({ attempts }) => attempts)), new Set([2]));
    assert.equal(causes.length, 1);
    assert.ok(causes[0] instanceof DaemonUnavailableError);
    assert.match(causes[0].message, /did not answer in 400 ms/);
    assert.equal(countOf(daemon.methods(), 'system.listMethods'), 1);
  });
}

test('a daemon that accepts connections and reads nothing is treated as down', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.pause()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
    timeoutMs: 30,
  });
  await assert.rejects(client.notify(token, 'x', null, null, { deadlineMs: 200 }), (error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(error.message, /did not answer in 30 ms/);
    return true;
  });
  assert.ok(sockets.length > 2);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('a network that goes without a word costs one time-out, however many connections were kept', async () => {
  const together = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', together));
  await using gate = await gateTo(daemon.url);
  const initial = Array.from({ length: 10 }, (_, number) => ({ ...app, appId: `app ${number}` }));
  const host = gate.url.replace('https', 'http');
  await using client = clientOf(host, { initial, timeoutMs });
  // Apps share no request.
  const many = () =>
    Promise.all(initial.map(({ appId }) => client.notify(token, 'x', null, null, { appId })));
  const first = many();
  await until(() => countOf(daemon.methods(), 'apnsd.send') === 10);
  together.release();
  await first;
  let healings = 0;
  client.on('healing', () => {
    healings += 1;
  });
  gate.freeze();
  daemon.calls.length = 0;
  const receipts = await many();
  assert.deepEqual(new Set(receipts.map(({ attempts }) => attempts)), new Set([2]));
  assert.equal(healings, 1);
  assert.equal(countOf(daemon.methods(), 'system.listMethods'), 1);
});

test('a kept connection that the daemon closed while we wrote is no outage', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const told: string[] = [];
  for (const name of ['healing', 'retry'] as const) client.on(name, () => told.push(name));
  await client.notify(token, 'x');
  let cuts = 1;
  daemon.script = except('apnsd.send', (call, response) =>
    (cuts-- > 0 ? cut : goodDaemon)(call, response),
  );
  assert.equal((await client.notify(token, 'x')).attempts, 1);
  assert.equal(countOf(daemon.methods(), 'apnsd.send'), 3);
  assert.deepEqual(told, []);
});

test('a knock that hangs holds no call beyond its deadline', async () => {
  await using daemon = await scriptedDaemon(except('system.listMethods', silence, cut));
  await using client = clientOf(daemon.url);
  const call = client.notify(token, 'x', null, null, { deadlineMs: 100 });
  await until(() => daemon.methods().includes('system.listMethods'));
  await assert.rejects(call, DeadlineError);
});

test('a fault that is no struct ends no repair', async () => {
  let left = 3;
  await using daemon = await scriptedDaemon(
    except('apnsd.provision', cut, (call, response) => {
      if (call.method !== 'system.listMethods') return goodDaemon(call, response);
      left -= 1;
      if (left === 0) daemon.script = goodDaemon;
      else response.end('<methodResponse><fault></fault></methodResponse>');
      return left === 0 ? [] : undefined;
    }),
  );
  await using client = clientOf(daemon.url);
  assert.equal((await client.notify(token, 'x')).status, 'accepted');
  assert.equal(countOf(daemon.methods(), 'system.listMethods'), 3);
});
