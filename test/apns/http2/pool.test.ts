import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Outcome } from '../../../src/apns/sender.js';
import { ClosedError, ExpiredError, OverloadedError } from '../../../src/errors.js';
import { certificate } from '../../support/certificate.js';
import {
  answer,
  frame,
  goAway,
  later,
  openPool,
  type Peer,
  request,
  settings,
  startScriptedServer,
  Type,
  u32,
  word,
} from './scripted-server.js';

const never = 1e9;

type LookupTold = (error: null, addresses: { address: string; family: number }[]) => void;

test('a thousand requests that find the gateway down cause one dial a back-off step, one log line, and all get through', async () => {
  await using server = await startScriptedServer();
  server.down = true;
  const events: string[] = [];
  const limits = { backoff: { firstMs: 20, factor: 2, maxMs: 80 }, random: () => 1 };
  await using pool = openPool(server, { limits, log: (event) => events.push(event) });
  const outcomes = Array.from({ length: 1000 }, () => pool.send(request('one'), later()));
  while (server.dialled < 6) await delay(1);
  server.down = false;
  const peer = await server.accept();
  const requests = await peer.requests(1000);
  peer.write(...requests.map(({ stream }) => answer(stream)));
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
  assert.ok(server.dialled <= 8, `${server.dialled} dials`);
  assert.deepEqual(events, ['unreachable', 'connected']);
});

test('a line that was left out is counted in the next', async () => {
  await using server = await startScriptedServer();
  server.down = true;
  const leftOut: unknown[] = [];
  const limits = { backoff: { firstMs: 1, factor: 1, maxMs: 1 }, remindEveryMs: 50 };
  await using pool = openPool(server, {
    limits,
    log: (_, fields) => leftOut.push(fields?.leftOut),
  });
  pool.send(request('one'), later(300));
  while (leftOut.length < 2) await delay(1);
  assert.ok(Number(leftOut[1]) > 0);
});

test('at the deadline the outcome tells why the gateway could not be reached', async () => {
  await using server = await startScriptedServer();
  server.down = true;
  await using pool = openPool(server);
  const outcome = await pool.send(request('one'), later(100));
  assert.ok(outcome.kind === 'unsent');
  assert.match(outcome.cause.message, /^not sent by the deadline: gateway 127\.0\.0\.1:\d+: ./);
  assert.match(String(outcome.cause.cause), /gateway 127.0.0.1/);
  await assert.rejects(pool.ready(later(50)), /gateway 127.0.0.1/);
});

test('a host of several addresses, none of which can be reached, has the reason of each', async (t) => {
  const port = await portOfNobody();
  t.mock.method(dns, 'lookup', (_host: string, _options: object, told: LookupTold) => {
    const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    process.nextTick(told, null, addresses);
  });
  await using pool = openPool({ gateway: `https://several.invalid:${port}` });
  const said =
    /several\.invalid:\d+: connect ECONNREFUSED 127\.0\.0\.1:\d+, connect ECONNREFUSED 127\.0\.0\.2/;
  await assert.rejects(pool.ready(later(200)), { message: said });
});

test('the pool tells its trouble while it has no connection, and none once it has one', async () => {
  await using server = await startScriptedServer();
  server.down = true;
  const limits = { backoff: { firstMs: 20, factor: 1, maxMs: 20 } };
  await using pool = openPool(server, { limits });
  assert.equal(pool.trouble(), undefined);
  await assert.rejects(pool.ready(later(100)));
  assert.match(pool.trouble()?.message ?? '', /^gateway 127\.0\.0\.1:\d+: /);
  server.down = false;
  await pool.ready(later());
  assert.equal(pool.trouble(), undefined);
});

test('a gateway that is away has a line at once, few while it lasts, and one when it is back', async () => {
  await using server = await startScriptedServer();
  let lines: string[] = [];
  const log = (event: string, fields?: object) => {
    if (event !== 'disconnected') lines.push(`${event} ${JSON.stringify(fields)}`);
  };
  const limits = { backoff: { firstMs: 5, factor: 1, maxMs: 5 }, logEveryMs: 0 };
  await using pool = openPool(server, { limits, log });
  for (let outage = 0; outage < 2; outage += 1) {
    lines = [];
    server.down = true;
    const outcome = pool.send(request('one'), later(10_000));
    while (lines.length < 1) await delay(1);
    assert.match(lines[0] ?? '', /^unreachable .*"reason":"gateway 127\.0\.0\.1/);
    const { dialled } = server;
    while (server.dialled < dialled + 10) await delay(1);
    assert.equal(lines.length, 1, lines.join());
    server.down = false;
    const peer = await server.accept();
    await peer.requests(1);
    peer.write(answer(1));
    assert.equal(word(await outcome), 200);
    assert.match(lines[1] ?? '', /^connected /);
    peer.socket.destroy();
    // Its successor goes as well.
    const successor = await server.accept();
    await pool.ready(later());
    successor.socket.destroy();
    await successor.closed;
  }
});

async function portOfNobody(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a connection that worked gets its successor at once, also when nothing waits', async () => {
  await using server = await startScriptedServer();
  const backoff = { firstMs: never, factor: 1, maxMs: never };
  await using pool = openPool(server, { limits: { backoff } });
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(answer(1));
  await outcome;
  peer.socket.destroy();
  // The successor that answers nothing is not followed by another until a request needs one.
  const successor = await server.accept();
  successor.socket.destroy();
  await successor.closed;
  assert.equal(server.accepted, 2);
});

test('connections that go away before their first answer, and answer then, are followed at once', async () => {
  await using server = await startScriptedServer();
  const backoff = { firstMs: never, factor: 1, maxMs: never };
  await using pool = openPool(server, { limits: { backoff } });
  const outcomes = Array.from({ length: 10 }, () => pool.send(request('one'), later(10_000)));
  let leaving: Peer | undefined;
  for (let left = outcomes.length; left > 0; left -= 2) {
    const peer = await server.accept();
    leaving?.write(answer(1), answer(3));
    await peer.requests(left);
    peer.write(goAway(3));
    leaving = peer;
  }
  leaving?.write(answer(1), answer(3));
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
});

test('one that goes away and answers only then gets its successor, also when nothing waits', async () => {
  await using server = await startScriptedServer();
  const backoff = { firstMs: never, factor: 1, maxMs: never };
  await using pool = openPool(server, { limits: { backoff } });
  const outcome = pool.send(request('one'), later(10_000));
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(goAway(2 ** 31 - 1), frame(Type.ping, 0, 0, 'have you'));
  await peer.take(Type.ping);
  assert.equal(server.accepted, 1);
  peer.write(answer(1));
  assert.equal(word(await outcome), 200);
  await server.accept();
});

test('a gateway whose connections all go away at once is dialled later and later', async () => {
  await using server = await startScriptedServer(Buffer.concat([settings(), goAway(0)]));
  const limits = { backoff: { firstMs: 40, factor: 2, maxMs: 1000 }, random: () => 1 };
  await using pool = openPool(server, { limits });
  // At 0, 40, 120, 280 and 600 ms.
  assert.equal(word(await pool.send(request('one'), later(500))), 'unsent');
  assert.ok(server.accepted > 1 && server.accepted < 5, `${server.accepted} dials`);
});

test('connections that go away and answer nothing are not followed without end', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { maxConnections: 2, growAfterMs: never } });
  const outcomes = Array.from({ length: 5 }, () => pool.send(request('one'), later(10_000)));
  const peers: Peer[] = [];
  while (peers.length < 3) peers.push(await goesAway());
  await delay(100);
  assert.equal(server.accepted, 3);
  // One that answers after all makes room for the next.
  for (const peer of peers) {
    peer.write(answer(1));
    if (server.accepted < 5) peers.push(await goesAway());
  }
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));

  async function goesAway(): Promise<Peer> {
    const peer = await server.accept();
    await peer.requests(1);
    peer.write(goAway(2 ** 31 - 1));
    return peer;
  }
});

test('after a connection was cut with answers missing the next carries few requests, then more with each answer', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { growAfterMs: 1, tickMs: 2 } });
  const outcomes = Array.from({ length: 320 }, () => pool.send(request('one'), later(10_000)));
  const first = await server.accept();
  // A connection that nothing is known of carries all.
  const received = await first.requests(320);
  first.write(...received.slice(0, 300).map(({ stream }) => answer(stream)));
  await Promise.all(outcomes.slice(0, 300));
  first.socket.destroy();
  const words = (await Promise.all(outcomes)).map(word);
  assert.equal(words.filter((each) => each === 'unknown').length, 20);

  const more = Array.from({ length: 2000 }, () => pool.send(request('two'), later(10_000)));
  const second = await server.accept();
  const rounds: number[] = [];
  for (let left = more.length; left > 0; ) {
    const [one] = await second.requests(1);
    second.write(frame(Type.ping, 0, 0, 'all here'));
    await second.take(Type.ping);
    const streams = [one, ...second.takeRequests()].map((each) => each?.stream ?? 0);
    second.write(...streams.map((stream) => answer(stream)));
    rounds.push(streams.length);
    left -= streams.length;
  }
  // A sixteenth of 320 until two times 320 are answered.
  assert.deepEqual(rounds.slice(0, 4), [8, 16, 20, 20]);
  assert.ok(Math.max(...rounds) > 300, rounds.join());
  assert.deepEqual(new Set((await Promise.all(more)).map(word)), new Set([200]));
  // Few at once is no reason for another connection.
  assert.equal(server.accepted, 2);
});

test('no more connections than allowed are opened under load, and spare ones are closed', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  const limits = { maxConnections: 3, growAfterMs: 0, tickMs: 2, spareAfterMs: 40 };
  await using pool = openPool(server, { limits });
  const outcomes = Array.from({ length: 60 }, () => pool.send(request('one'), later()));
  const peers: Peer[] = [];
  // No answer before all three are there.
  while (peers.length < 3) peers.push(await server.accept());
  for (const peer of peers) serve(peer);
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
  assert.equal(server.accepted, 3);
  let closed = 0;
  await new Promise<void>((resolve) => {
    for (const peer of peers) {
      peer.closed.then(() => {
        closed += 1;
        if (closed === 2) resolve();
      });
    }
  });
  const [last] = peers.filter(({ socket }) => !socket.destroyed);
  const next = pool.send(request('one more'), later());
  assert.equal(word(await next), 200);
  assert.deepEqual([closed, server.accepted, last?.socket.destroyed], [2, 3, false]);

  async function serve(peer: Peer) {
    for (;;) {
      const [{ stream } = { stream: 0 }] = await peer.requests(1);
      peer.write(answer(stream));
    }
  }
});

test('a repeat goes to another connection than the one to be avoided', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const first = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(answer(1, 500, '{"reason":"InternalServerError"}'));
  const outcome = await first;
  assert.ok(outcome.kind === 'response');
  const repeat = pool.send(request('one'), { ...later(), avoid: outcome.connection });
  const other = pool.send(request('two'), later());
  assert.deepEqual(await peer.requests(1), [{ stream: 3, body: 'two' }]);
  peer.write(answer(3));
  const second = await server.accept();
  await second.requests(1);
  second.write(answer(1));
  assert.deepEqual([word(await repeat), word(await other)], [200, 200]);
  // One that is gone is no longer to be avoided.
  second.socket.destroy();
  await second.closed;
  const third = pool.send(request('three'), { ...later(), avoid: 2 });
  await peer.requests(1);
  peer.write(answer(5));
  assert.equal(word(await third), 200);
});

test('a connection that was opened to avoid another is not missed when it was closed as spare', async () => {
  await using server = await startScriptedServer();
  const backoff = { firstMs: never, factor: 1, maxMs: never };
  await using pool = openPool(server, { limits: { spareAfterMs: 40, backoff } });
  const first = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(answer(1, 500));
  await first;
  const repeat = pool.send(request('one'), { ...later(), avoid: 1 });
  const second = await server.accept();
  await second.requests(1);
  second.write(answer(1));
  await repeat;
  await Promise.race([peer.closed, second.closed]);
  const left = peer.socket.destroyed ? second : peer;
  const next = pool.send(request('two'), later());
  const [received] = await left.requests(1);
  left.write(answer(received?.stream ?? 0));
  assert.deepEqual([word(await next), server.accepted], [200, 2]);
});

test('where no other connection can be had, the one to be avoided is better than none', async () => {
  await using server = await startScriptedServer();
  for (const maxConnections of [1, 2]) {
    await using pool = openPool(server, { limits: { maxConnections } });
    await pool.ready(later());
    const peer = await server.accept();
    server.down = true;
    const outcome = pool.send(request('one'), { ...later(), avoid: 1 });
    await peer.requests(1);
    peer.write(answer(1));
    assert.equal(word(await outcome), 200);
    server.down = false;
  }
});

for (const [direction, days] of [
  ['forward', 1],
  ['back', -1],
] as const) {
  test(`a clock that is set ${direction} by a day expires nothing, and holds nothing up`, async (t) => {
    await using server = await startScriptedServer(settings([3, 1]));
    const limits = {
      growAfterMs: never,
      pingAfterMs: 400,
      backoff: { firstMs: 1, factor: 1, maxMs: 1 },
    };
    await using pool = openPool(server, { limits });
    const outcomes = ['under way', 'waiting'].map((body) =>
      pool.send(request(body), later(10_000)),
    );
    const soon = pool.send(request('soon'), later(200));
    const peer = await server.accept();
    await peer.requests(1);
    const { now } = Date;
    t.mock.method(Date, 'now', () => now() + days * 86_400_000);
    assert.equal(word(await soon), 'unsent');
    // The watch over the connection goes on as well.
    const { payload } = await peer.take(Type.ping);
    peer.write(frame(Type.ping, 1, 0, payload), answer(1));
    await peer.requests(1);
    peer.write(answer(3));
    assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 200]);
    peer.socket.destroy();
    const successor = await server.accept();
    const sent = pool.send(request('after'), later(10_000));
    await successor.requests(1);
    successor.write(answer(1));
    assert.equal(word(await sent), 200);
    assert.equal(server.accepted, 2);
  });
}

test('beyond the bounds a request is refused before it is queued, and the others are not harmed', async () => {
  await using server = await startScriptedServer(settings([3, 0]));
  const limits = { maxWaiting: 3, maxWaitingBytes: 100, growAfterMs: never };
  await using pool = openPool(server, { limits });
  const waiting = ['1', 'x'.repeat(60)].map((body) => pool.send(request(body), later()));
  const tooLarge = await pool.send(request('x'.repeat(40)), later());
  waiting.push(pool.send(request('3'), later()));
  const tooMany = await pool.send(request('4'), later());
  for (const outcome of [tooLarge, tooMany]) {
    assert.ok(outcome.kind === 'unsent' && outcome.cause instanceof OverloadedError);
  }
  const peer = await server.accept();
  peer.write(settings([3, 10]));
  const requests = await peer.requests(3);
  peer.write(...requests.map(({ stream }) => answer(stream)));
  assert.deepEqual((await Promise.all(waiting)).map(word), [200, 200, 200]);
  const next = pool.send(request('5'), later());
  await peer.requests(1);
  peer.write(answer(7));
  assert.equal(word(await next), 200);
});

test('what is over while it waits leaves the queue', async () => {
  await using server = await startScriptedServer(settings([3, 0]));
  await using pool = openPool(server, { limits: { maxWaiting: 2 } });
  for (let round = 0; round < 3; round += 1) {
    const outcomes = [1, 2].map(() => pool.send(request('one'), later(30)));
    for (const outcome of await Promise.all(outcomes)) {
      assert.ok(outcome.kind === 'unsent' && !(outcome.cause instanceof OverloadedError));
    }
  }
});

test('a request whose deadline is over is not sent', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  assert.equal(word(await pool.send(request('one'), later(0))), 'unsent');
  assert.equal(server.dialled, 0);
});

test('close lets finish what is under way and what waits, refuses the rest and leaves no handle', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { growAfterMs: never } });
  const outcomes = ['one', 'two'].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(1);
  const closing = pool.close();
  const refused = await pool.send(request('three'), later());
  assert.ok(refused.kind === 'unsent' && refused.cause instanceof ClosedError);
  await assert.rejects(pool.ready(later()), ClosedError);
  peer.write(answer(1));
  await peer.requests(1);
  peer.write(answer(3));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 200]);
  await closing;
  await peer.take(Type.goAway);
  await peer.closed;
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => /Timeout|TLSWrap/.test(name)),
    [],
  );
});

test('a retired pool hands back what waits, now and later, and lets finish what is under way', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { maxConnections: 1 } });
  const [first, second] = ['one', 'two'].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(1);
  const retired = pool.retire();
  assert.equal(word((await second) as Outcome), 'unsent');
  peer.write(answer(1));
  assert.equal(word((await first) as Outcome), 200);
  await retired;

  await using other = openPool(server);
  const refused = other.send(request('three'), later());
  const successor = await server.accept();
  await successor.requests(1);
  const over = other.retire();
  successor.write(frame(Type.reset, 0, 1, u32(7)));
  assert.equal(word(await refused), 'unsent');
  await over;
});

test('what expires while it waits is not sent', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { maxConnections: 1 } });
  const first = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  const soon = (Date.now() + 50) / 1000;
  const expiring = pool.send(request('two'), { ...later(), expiration: soon });
  const lasting = pool.send(request('three'), { ...later(), expiration: 0 });
  while (Date.now() < 1000 * soon) await delay(1);
  peer.write(answer(1));
  const outcome = await expiring;
  assert.ok(outcome.kind === 'unsent' && outcome.cause instanceof ExpiredError);
  assert.deepEqual(await peer.requests(1), [{ stream: 3, body: 'three' }]);
  peer.write(answer(3));
  assert.deepEqual([word(await first), word(await lasting)], [200, 200]);
});

test('close ends a dial under way, a back-off, and a pool that never dialled', async () => {
  await using silent = await startScriptedServer(Buffer.alloc(0));
  const dialling = openPool(silent);
  const ready = assert.rejects(dialling.ready(later()), ClosedError);
  await silent.accept();
  await dialling.close();
  await ready;
  const waiting = openPool(silent, {
    limits: { backoff: { firstMs: never, factor: 1, maxMs: never } },
  });
  silent.down = true;
  assert.equal(word(await waiting.send(request('one'), later(100))), 'unsent');
  await waiting.close();
  await openPool(silent).close();
});

test('a peer that does not let go is cut off', async () => {
  await using server = await startScriptedServer();
  const pool = openPool(server, { limits: { closeTimeoutMs: 20 } });
  await pool.ready(later());
  const peer = await server.accept();
  peer.socket.pause();
  peer.socket.allowHalfOpen = true;
  await pool.close();
});

test('ready rejects when its signal says so', async () => {
  await using server = await startScriptedServer(Buffer.alloc(0));
  await using pool = openPool(server);
  const controller = new AbortController();
  const ready = pool.ready({ ...later(), signal: controller.signal });
  controller.abort(new Error('not any more'));
  await assert.rejects(ready, /not any more/);
  await assert.rejects(pool.ready({ ...later(), signal: controller.signal }), /not any more/);
});

test('certificate and key that do not belong together are refused at once', async () => {
  const { cert } = certificate();
  const key = certificate().key.replace(/[A-Za-z]{4}/, 'AAAA');
  assert.throws(() => openPool({ gateway: 'https://127.0.0.1:1' }, { cert, key }));
});

test('an idle pool does not keep the process alive, a waiting request does', async () => {
  await using server = await startScriptedServer();
  const script = `
    import { createPool } from ${JSON.stringify(new URL('../../../src/apns/http2/pool.js', import.meta.url))};
    const pool = createPool({ gateway: process.env.GATEWAY, ca: [process.env.CA] });
    const body = 'one';
    const request = { method: 'POST', path: '/', headers: [], body };
    pool.send(request, { deadline: performance.now() + 60_000 }).then(({ kind }) => console.log(kind));
  `;
  const env = { ...process.env, GATEWAY: server.gateway, CA: certificate().cert };
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const child = promisify(execFile)(process.execPath, args, { env });
  const peer = await server.accept();
  await peer.requests(1);
  await delay(100);
  peer.write(answer(1));
  assert.equal((await child).stdout.trim(), 'response');
});

test('a stream refused by a connection at its limit waits for another, in order', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcomes = ['one', 'two', 'three'].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(3);
  peer.write(settings([3, 1]), ...[3, 5].map((stream) => frame(Type.reset, 0, stream, u32(7))));
  const other = await server.accept();
  const moved = await other.requests(2);
  other.write(...moved.map(({ stream }) => answer(stream)));
  peer.write(answer(1));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 200, 200]);
});
