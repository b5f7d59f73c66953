import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  answer,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  later,
  literal,
  openPool,
  request,
  settings,
  startScriptedServer,
  statusBlock,
  Type,
  word,
} from './scripted-server.js';

/** Of one body, and of all that have not ended. */
const maxBody = 4 * 1024;
const maxUnfinished = 1024 * 1024;

function head(stream: number, status: number): Buffer {
  return frame(Type.headers, END_HEADERS, stream, statusBlock(status));
}

for (const status of [200, 410, 503]) {
  test(`a body longer than we take is left to the gateway: its ${status} counts, others go on`, async () => {
    await using server = await startScriptedServer();
    await using pool = openPool(server);
    const outcomes = [pool.send(request('one'), later()), pool.send(request('two'), later())];
    const peer = await server.accept();
    await peer.requests(2);
    const piece = Buffer.alloc(maxBody / 4, 'x');
    peer.write(head(1, status), ...Array(5).fill(frame(Type.data, 0, 1, piece)));
    const reset = await peer.take(Type.reset);
    assert.deepEqual([reset.stream, reset.payload.readUInt32BE(0)], [1, 0]);
    const first = await outcomes[0];
    assert.ok(first?.kind === 'response');
    assert.deepEqual([first.status, first.body], [status, '']);
    // What the gateway sends before it has seen our reset is let pass.
    peer.write(frame(Type.data, END_STREAM, 1, piece), answer(3, 200));
    const second = await outcomes[1];
    assert.ok(second?.kind === 'response');
    assert.deepEqual([second.status, second.connection], [200, first.connection]);
  });
}

test('a long body that is over has nothing to be reset', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcomes = [pool.send(request('one'), later()), pool.send(request('two'), later())];
  const peer = await server.accept();
  await peer.requests(2);
  peer.write(answer(1, 200, 'x'.repeat(maxBody + 1)), answer(3, 410, 'y'.repeat(maxBody)));
  const [first, second] = await Promise.all(outcomes);
  assert.ok(first?.kind === 'response' && second?.kind === 'response');
  assert.deepEqual([first.status, first.body], [200, '']);
  assert.deepEqual([second.status, second.body], [410, 'y'.repeat(maxBody)]);
  await pool.close();
  assert.ok(!peer.received.some(({ type }) => type === Type.reset));
});

test('bodies that do not end are bounded together, and the room comes back', async () => {
  await using server = await startScriptedServer(settings([3, 1000]));
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  for (let round = 0; round < 2; round += 1) {
    const sent = Array.from({ length: 400 }, () => pool.send(request('{}'), later()));
    const requests = await peer.requests(400);
    const piece = Buffer.alloc(maxBody, 'x');
    for (const { stream } of requests) {
      peer.write(head(stream, 410), frame(Type.data, 0, stream, piece));
    }
    const kept = maxUnfinished / maxBody;
    for (let cut = kept; cut < requests.length; cut += 1) await peer.take(Type.reset);
    for (const { stream } of requests.slice(0, kept)) {
      peer.write(frame(Type.data, END_STREAM, stream));
    }
    const bodies = (await Promise.all(sent)).map((outcome) => {
      assert.ok(outcome.kind === 'response' && outcome.status === 410);
      return outcome.body.length;
    });
    assert.deepEqual(bodies, [...Array(kept).fill(maxBody), ...Array(400 - kept).fill(0)]);
  }
});

test('bodies whose requests are cancelled, reset or malformed give their room back', async () => {
  await using server = await startScriptedServer(settings([3, 1000]));
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  const unfinished = async (signal?: AbortSignal) => {
    const options = { ...later(), ...(signal && { signal }) };
    const sent = Array.from({ length: 200 }, () => pool.send(request('{}'), options));
    const streams = (await peer.requests(200)).map(({ stream }) => stream);
    const piece = Buffer.alloc(maxBody, 'x');
    peer.write(...streams.flatMap((id) => [head(id, 200), frame(Type.data, 0, id, piece)]));
    // The connection's answer to it comes when all before it was read.
    peer.write(frame(Type.ping, 0, 0, '12345678'));
    await peer.take(Type.ping);
    return { streams, sent: Promise.all(sent) };
  };
  const controller = new AbortController();
  const cancelled = await unfinished(controller.signal);
  controller.abort();
  await cancelled.sent;
  const reset = await unfinished();
  peer.write(...reset.streams.map((id) => frame(Type.reset, 0, id, Buffer.alloc(4))));
  await reset.sent;
  const malformed = await unfinished();
  peer.write(...malformed.streams.map((id) => head(id, 200)));
  await malformed.sent;
  const good = await unfinished();
  peer.write(...good.streams.map((id) => frame(Type.data, END_STREAM, id)));
  for (const outcome of await good.sent) {
    assert.ok(outcome.kind === 'response' && outcome.body.length === maxBody);
  }
});

test('what the answers of cancelled requests put into the header table is there for the others', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const controller = new AbortController();
  const { signal } = controller;
  const cancelled = pool.send(request('one'), { ...later(), signal });
  const other = pool.send(request('two'), later());
  const peer = await server.accept();
  await peer.requests(2);
  controller.abort();
  assert.equal(word(await cancelled), 'unknown');
  await peer.take(Type.reset);
  const indexed = literal('retry-after', '7');
  indexed[0] = 0x40;
  const trailers = literal('x-more', '8');
  trailers[0] = 0x40;
  peer.write(
    frame(Type.headers, END_HEADERS, 1, Buffer.concat([statusBlock(200), indexed])),
    frame(Type.headers, END_HEADERS | END_STREAM, 1, trailers),
    frame(Type.headers, END_HEADERS | END_STREAM, 3, Buffer.from([0x88, 0xbe, 0xbf])),
  );
  const outcome = await other;
  assert.ok(outcome.kind === 'response');
  assert.deepEqual({ ...outcome.headers }, { 'x-more': '8', 'retry-after': '7' });
});

test('what GOAWAY says is cut, and harmless in a log', async () => {
  await using server = await startScriptedServer();
  const lines: string[] = [];
  const log = (event: string, fields = {}) => lines.push(JSON.stringify({ event, ...fields }));
  await using pool = openPool(server, { log });
  const outcome = pool.send(request('one'), later(3_000));
  const peer = await server.accept();
  await peer.requests(1);
  const debug = `{"reason":"\u001b[31mBad\u202e"}\r\n${'x'.repeat(10_000)}`;
  peer.write(goAway(1, 0, debug), answer(1));
  assert.equal(word(await outcome), 200);
  await peer.closed;
  const said = lines.filter((line) => line.includes('GOAWAY'));
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /"GOAWAY NO_ERROR \{\\"reason\\":\\"\?\[31mBad\?\?\?\\"\}\?\?x+"/);
  assert.ok((said[0] ?? '').length < 400);
});
