import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answer,
  END_STREAM,
  frame,
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

const reason = new Error('Apple answered 503 ServiceUnavailable');

/** How many whole requests have come that nobody asked for yet. */
function arrived({ received }: Peer): number {
  return received.filter(({ type, flags }) => type === Type.data && flags & END_STREAM).length;
}

/** Once the server has this PING's answer, it has all that was sent before it. */
async function echo(peer: Peer): Promise<void> {
  peer.write(frame(Type.ping, 0, 0, Buffer.alloc(8)));
  await peer.take(Type.ping, ({ flags }) => flags === 1);
}

test('what waits leaves when the pause is over, a few first, and twice as many after each round of answers', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const first = pool.send(request('first'), later());
  const peer = await server.accept();
  const [{ stream } = { stream: 0 }] = await peer.requests(1);
  peer.write(answer(stream));
  await first;
  const until = performance.now() + 300;
  pool.pause(until, reason);
  // A shorter one changes nothing.
  pool.pause(until - 200, reason);
  const outcomes = Array.from({ length: 100 }, () => pool.send(request('one'), later()));
  const rounds: number[] = [];
  for (let total = 1; total < 101; total = arrived(peer)) {
    const streams = await peer.requests(1);
    assert.ok(performance.now() >= until);
    await echo(peer);
    const came = arrived(peer) - total;
    rounds.push(came);
    streams.push(...(await peer.requests(came - 1)));
    peer.write(...streams.map(({ stream }) => answer(stream)));
  }
  assert.deepEqual(rounds, [4, 8, 16, 32, 40]);
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
});

test('whose deadline is within the pause is refused at once, with the time of its end', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const until = performance.now() + 60_000;
  pool.pause(until, reason);
  const outcome = await pool.send(request('one'), later(30_000));
  assert.deepEqual(outcome, { kind: 'unsent', cause: reason, retryAt: until });
});

test('one that waits already is told at its deadline what it waited for', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const waiting = pool.send(request('one'), later(300));
  pool.pause(performance.now() + 60_000, reason);
  const outcome = await waiting;
  assert.ok(outcome.kind === 'unsent');
  assert.equal(outcome.cause.message, `not sent by the deadline: ${reason.message}`);
});

test('requests that are refused or expire after a pause give their places back', async () => {
  await using server = await startScriptedServer(settings([3, 100]));
  await using pool = openPool(server);
  pool.pause(performance.now() + 1, reason);
  const expired = { ...later(), expiration: Date.now() / 1000 + 0.001 };
  const outcomes = Array.from({ length: 8 }, (_, i) =>
    pool.send(request('one'), i < 4 ? expired : later()),
  );
  const peer = await server.accept();
  const refused = await peer.requests(4);
  for (const { stream } of refused) peer.write(frame(Type.reset, 0, stream, u32(7)));
  const next = await server.accept();
  const rest = await next.requests(4);
  next.write(...rest.map(({ stream }) => answer(stream)));
  const words = (await Promise.all(outcomes)).map(word);
  assert.deepEqual(words, [...Array(4).fill('unsent'), ...Array(4).fill(200)]);
});
