import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { ApnsRequest, Outcome } from '../../../src/apns/sender.js';
import { startNodeServer } from './node-server.js';
import { later, openPool, request, word } from './scripted-server.js';
import { installed, type ServerChild, type ServerSettings, startServer } from './servers.js';

interface Server {
  name: string;
  start(settings?: ServerSettings): Promise<ServerChild>;
  /** What it answers below / and below /refuse. */
  accepts: number;
  refuses: number;
  skip: string | false;
}

const others = (['nginx', 'h2o', 'nghttpd'] as const).map(
  (name): Server => ({
    name,
    start: (settings) => startServer(name, settings),
    accepts: name === 'nghttpd' ? 404 : 200,
    refuses: name === 'nghttpd' ? 404 : 410,
    skip: installed(name) ? false : `${name} is not installed`,
  }),
);

const servers: Server[] = [
  { name: 'node:http2', start: startNodeServer, accepts: 200, refuses: 410, skip: false },
  ...others,
];

function get(path: string): ApnsRequest {
  return { method: 'GET', path, headers: [], body: '' };
}

function tally(outcomes: Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[word(outcome)] = (counts[word(outcome)] ?? 0) + 1;
  return counts;
}

for (const { name, start, accepts, refuses, skip } of servers) {
  test(`${name}: requests with and without a body are answered, with headers and body`, {
    skip,
  }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    const outcomes = await Promise.all([
      pool.send(request('{"aps":{}}'), later()),
      pool.send(get('/3/device'), later()),
      pool.send({ ...request('{}'), path: '/refuse' }, later()),
      pool.send({ ...request('{}'), path: '/echo' }, later()),
    ]);
    assert.deepEqual(outcomes.map(word), [accepts, accepts, refuses, accepts]);
    const refused = outcomes[2];
    assert.ok(refused?.kind === 'response' && refused.body.length > 100);
    if (name !== 'nghttpd') {
      const accepted = outcomes[3];
      assert.ok(accepted?.kind === 'response');
      assert.equal(accepted.headers['apns-unique-id'], '8f7c3c1e-3f0a-4bb0-9c51-000000000000');
    }
  });

  test(`${name}: thousands of requests of one tick are answered`, { skip }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    const sent = Array.from({ length: 3000 }, (_, place) =>
      pool.send(request(`${place}`), later()),
    );
    assert.deepEqual(tally(await Promise.all(sent)), { [accepts]: 3000 });
  });

  test(`${name}: a header that is another one in each answer is read back`, { skip }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    // Many times what a header table holds.
    const ids = Array.from({ length: 2000 }, () => randomUUID());
    const sent = ids.map((id) => pool.send({ ...request('{}'), path: '/echo', id }, later()));
    for (const [place, outcome] of (await Promise.all(sent)).entries()) {
      assert.ok(outcome.kind === 'response');
      const echoed = name === 'nghttpd' ? undefined : ids[place];
      assert.equal(outcome.headers['apns-unique-id'], echoed);
    }
  });

  test(`${name}: errors with a body never use the window up`, { skip }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    const refused = { ...request('{}'), path: '/refuse' };
    // A megabyte and more, where the window of a connection is 1 MiB and its default is 64 KiB.
    const sent = Array.from({ length: 8000 }, () => pool.send(refused, later()));
    assert.deepEqual(tally(await Promise.all(sent)), { [refuses]: 8000 });
  });

  test(`${name}: a limit of one stream is kept to`, { skip }, async () => {
    await using server = await start({ streams: 1 });
    await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
    const sent = Array.from({ length: 100 }, () => pool.send(request('{}'), later()));
    assert.deepEqual(tally(await Promise.all(sent)), { [accepts]: 100 });
  });

  test(`${name}: token credentials start with one stream`, { skip }, async () => {
    await using server = await start();
    const authorization = () => `bearer ${'j'.repeat(200)}`;
    await using pool = openPool(server, { authorization });
    const sent = Array.from({ length: 500 }, () => pool.send(request('{}'), later()));
    assert.deepEqual(tally(await Promise.all(sent)), { [accepts]: 500 });
  });

  test(`${name}: bodies larger than any window are taken`, { skip }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    const body = 'x'.repeat(300_000);
    const sent = Array.from({ length: 5 }, () => pool.send(request(body), later()));
    assert.deepEqual(tally(await Promise.all(sent)), { [accepts]: 5 });
    assert.equal(word(await pool.send(request('after it'), later())), accepts);
  });

  test(`${name}: an idle connection answers PING and is used again`, { skip }, async () => {
    await using server = await start();
    const limits = { pingAfterMs: 10, pingTimeoutMs: 5_000 };
    await using pool = openPool(server, { limits });
    await pool.send(request('{}'), later());
    await new Promise((resolve) => setTimeout(resolve, 150));
    const outcome = await pool.send(request('{}'), later());
    assert.ok(outcome.kind === 'response');
    assert.equal(outcome.connection, 1);
  });

  test(`${name}: when it dies, each request settles once`, { skip }, async () => {
    await using server = await start();
    await using pool = openPool(server);
    await pool.send(request('{}'), later());
    const sent = Array.from({ length: 2000 }, () => pool.send(request('{}'), later(1_500)));
    await sent[0];
    server.signal('SIGKILL');
    const counts = tally(await Promise.all(sent));
    const total = Object.values(counts).reduce((sum, count) => sum + count);
    assert.equal(total, 2000);
    assert.deepEqual(
      Object.keys(counts).filter((kind) => ![`${accepts}`, 'unknown', 'unsent'].includes(kind)),
      [],
    );
  });
}

const [, nginx, h2o] = servers;

test('nginx: GOAWAY every hundred requests loses none', { skip: nginx?.skip }, async () => {
  await using server = await startServer('nginx', { requestsPerConnection: 100 });
  await using pool = openPool(server);
  const sent = Array.from({ length: 3000 }, () => pool.send(request('{}'), later()));
  const outcomes = await Promise.all(sent);
  assert.deepEqual(tally(outcomes), { 200: 3000 });
  const connections = outcomes.map((outcome) => outcome.kind === 'response' && outcome.connection);
  assert.ok(new Set(connections).size >= 30);
});

test('h2o: a graceful stop answers what it has taken', { skip: h2o?.skip }, async () => {
  await using server = await startServer('h2o');
  await using pool = openPool(server);
  await pool.send(request('{}'), later());
  const sent = Array.from({ length: 1000 }, () => pool.send(request('{}'), later(2_000)));
  await sent[0];
  server.signal('SIGTERM');
  const counts = tally(await Promise.all(sent));
  assert.equal((counts[200] ?? 0) + (counts.unsent ?? 0) + (counts.unknown ?? 0), 1000);
  assert.ok((counts[200] ?? 0) >= 100);
});

test("node:http2: the header table follows the peer's size, whatever it becomes", async () => {
  await using server = await startNodeServer({ streams: 1000 });
  await using pool = openPool(server);
  server.answer = (stream, headers) => {
    const seen = JSON.stringify({ ...headers });
    stream.respond({ ':status': 200 });
    stream.end(seen);
  };
  await pool.ready(later());
  const [session] = server.sessions;
  // Also what fills the table: other topics, tokens that change.
  for (const headerTableSize of [4096, 0, 100, 0, 4096, 65_536, 1, 200, 4096]) {
    session?.settings({ headerTableSize });
    const outcomes = Array.from({ length: 300 }, async (_, place) => {
      // Some that follow one another are alike, but for path and id.
      const constants = [
        'apns-topic',
        `com.example.app${Math.floor(place / 4) % 150}`,
        'apns-push-type',
        'alert',
      ];
      const others = ['apns-expiration', `${place * 7}`, 'x-other', 'é'.repeat(place)];
      const sent: ApnsRequest = {
        ...request('{}'),
        path: `/3/device/${place}`,
        id: `${place}`,
        headers: place % 8 < 4 ? constants : [...constants, ...others],
        collapse: place % 3 === 0,
      };
      const outcome = await pool.send(sent, later());
      assert.ok(outcome.kind === 'response');
      const seen = JSON.parse(outcome.body);
      assert.equal(seen['apns-id'], sent.id);
      assert.equal(seen['apns-collapse-id'], sent.collapse ? sent.id : undefined);
      assert.equal(seen[':path'], sent.path);
      for (let at = 0; at < sent.headers.length; at += 2) {
        const value = seen[sent.headers[at] ?? ''];
        assert.equal(Buffer.from(value, 'latin1').toString('latin1'), sent.headers[at + 1]);
      }
    });
    await Promise.all(outcomes);
  }
});

test('node:http2: what its encoder makes is read back', async () => {
  await using server = await startNodeServer();
  await using pool = openPool(server);
  const values = ['', 'a', 'Mon, 21 Oct 2013 20:13:21 GMT', '~!@#$%^&*()', 'x'.repeat(2000), 'ÿþé'];
  server.answer = (stream) => {
    const headers = Object.fromEntries(values.map((value, place) => [`x-${place}`, value]));
    stream.respond({ ':status': 200, ...headers }, { endStream: true });
  };
  for (let round = 0; round < 3; round += 1) {
    const outcome = await pool.send(request('{}'), later());
    assert.ok(outcome.kind === 'response');
    assert.deepEqual(
      values.map((_, place) => outcome.headers[`x-${place}`]),
      values,
    );
  }
});

test('node:http2: its limit of streams may change while requests are under way', async () => {
  await using server = await startNodeServer({ streams: 50 });
  await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
  await pool.ready(later());
  const [session] = server.sessions;
  const limits = [1, 0, 200, 7];
  let changes = 0;
  const change = () => {
    if (session?.pendingSettingsAck || session?.destroyed) return;
    changes += 1;
    session?.settings({ maxConcurrentStreams: limits[changes % limits.length] ?? 1 });
  };
  const timer = setInterval(change, 2);
  const sent = Array.from({ length: 2000 }, () => pool.send(request('{}'), later()));
  const outcomes = await Promise.all(sent);
  clearInterval(timer);
  assert.deepEqual(tally(outcomes), { 200: 2000 });
  assert.ok(changes > 4);
});
