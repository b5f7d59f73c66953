import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../../src/apns/sender.js';
import {
  answer,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  later,
  literal,
  openPool,
  PADDED,
  type Peer,
  PRIORITY,
  request,
  settings,
  startScriptedServer,
  statusBlock,
  Type,
  u32,
  word,
} from './scripted-server.js';

const ok = statusBlock(200);

test('the client greets with the preface, the default table and no push, and acknowledges SETTINGS', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  const { payload } = await peer.take(Type.settings);
  assert.equal(payload.toString('hex', 0, 12), '000100001000000200000000');
  const acknowledged = await peer.take(Type.settings);
  assert.deepEqual([acknowledged.flags, acknowledged.payload.length], [1, 0]);
});

test('a hundred requests of one tick leave in one write', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  await peer.take(Type.settings, ({ flags }) => flags === 1);
  let records = 0;
  peer.socket.on('data', () => {
    records += 1;
  });
  const outcomes = Array.from({ length: 100 }, (_, place) =>
    pool.send(request(`${place}`), later()),
  );
  const requests = await peer.requests(100);
  assert.equal(records, 1);
  assert.deepEqual(
    requests.map(({ body }) => Number(body)),
    [...outcomes.keys()],
  );
  peer.write(...requests.map(({ stream }) => answer(stream)));
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
});

test('requests that stay open while a thousand others pass get their own answers', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  const open = [pool.send(request('first'), later()), pool.send(request('second'), later())];
  await peer.requests(2);
  for (let round = 0; round < 15; round += 1) {
    const passing = Array.from({ length: 100 }, () => pool.send(request('passing'), later()));
    const requests = await peer.requests(100);
    if (round === 10) peer.write(answer(3, 410), answer(1, 400));
    // The oldest of them is answered last.
    peer.write(...requests.map(({ stream }) => answer(stream)).reverse());
    assert.deepEqual(new Set((await Promise.all(passing)).map(word)), new Set([200]));
  }
  assert.deepEqual((await Promise.all(open)).map(word), [400, 410]);
});

/** One answer with all that an answer may have round it; `#` stands for the stream. */
const ornate = (stream: number) =>
  Buffer.concat([
    frame(Type.headers, END_HEADERS, stream, statusBlock(100)),
    frame(
      Type.headers,
      PADDED | PRIORITY,
      stream,
      Buffer.concat([
        Buffer.from([2]),
        u32(0),
        Buffer.from([9]),
        statusBlock(410),
        Buffer.from([0, 0]),
      ]),
    ),
    frame(Type.continuation, 0, stream),
    frame(Type.continuation, END_HEADERS, stream, literal('apns-unique-id', 'an id')),
    frame(Type.ping, 0, 0, '12345678'),
    frame(0xfa, 0xff, stream, 'a frame of another time'),
    frame(Type.data, PADDED, stream, Buffer.from('\x03{"reason":\0\0\0')),
    frame(Type.priority, 0, stream, Buffer.alloc(5)),
    frame(Type.windowUpdate, 0, 0, u32(1)),
    settings([99, 1]),
    frame(Type.data, 0, stream),
    frame(Type.data, 0, stream, Buffer.from('"é').subarray(0, 2)),
    frame(Type.data, 0, stream, Buffer.concat([Buffer.from('"é').subarray(2), Buffer.from('"}')])),
    frame(Type.headers, END_HEADERS | END_STREAM, stream, literal('a-trailer', '1')),
  ]);

test('an answer is read whole, wherever its bytes are split', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  for (let split = 1; split < ornate(1).length; split += 1) {
    const outcome = pool.send(request('one'), later());
    const [received] = await peer.requests(1);
    const bytes = ornate(received?.stream ?? 0);
    peer.write(bytes.subarray(0, split));
    await new Promise((resolve) => setImmediate(resolve));
    peer.write(bytes.subarray(split));
    const settled = await outcome;
    assert.deepEqual(
      settled,
      {
        kind: 'response',
        status: 410,
        headers: { 'apns-unique-id': 'an id' },
        body: '{"reason":"é"}',
        connection: 1,
      },
      `split at byte ${split}`,
    );
    await peer.take(
      Type.ping,
      ({ flags, payload }) => flags === 1 && payload.toString() === '12345678',
    );
  }
});

test('an answer is read whole, byte by byte', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  await pool.ready(later());
  const peer = await server.accept();
  const outcome = pool.send(request('one'), later());
  await peer.requests(1);
  for (const byte of ornate(1)) peer.write(Buffer.from([byte]));
  assert.equal(word(await outcome), 410);
});

/** What a peer may not do, with a request under way on stream 1; the code of our GOAWAY; what the error says. */
const breaches: [what: string, bytes: Buffer[], code: number, says: RegExp][] = [
  ['a frame that is too long', [Buffer.from('004001000000000001', 'hex')], 6, /FRAME_SIZE_ERROR/],
  ['an answer in HTTP/1.1', [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')], 6, /HTTP\/2\?/],
  ['SETTINGS for a stream', [frame(Type.settings, 0, 1)], 1, /PROTOCOL_ERROR/],
  ['SETTINGS that are cut off', [frame(Type.settings, 0, 0, '12345')], 6, /FRAME_SIZE_ERROR/],
  [
    'an acknowledgement with SETTINGS',
    [frame(Type.settings, 1, 0, Buffer.alloc(6))],
    6,
    /FRAME_SIZE/,
  ],
  ['push enabled by a server', [settings([2, 1])], 1, /push/],
  ['an initial window that is too large', [settings([4, 2 ** 31])], 3, /FLOW_CONTROL_ERROR/],
  ['a frame size below the least', [settings([5, 16_383])], 1, /frame size/],
  ['a frame size above the greatest', [settings([5, 2 ** 24])], 1, /frame size/],
  [
    'a window of the connection that overflows',
    [frame(Type.windowUpdate, 0, 0, u32(2 ** 31 - 1))],
    3,
    /overflows/,
  ],
  [
    'an initial window that makes one overflow',
    [frame(Type.windowUpdate, 0, 1, u32(2 ** 31 - 1 - 65_535)), settings([4, 65_545])],
    3,
    /overflows/,
  ],
  ['a WINDOW_UPDATE of 0', [frame(Type.windowUpdate, 0, 0, u32(0))], 1, /WINDOW_UPDATE/],
  [
    'a WINDOW_UPDATE that is cut off',
    [frame(Type.windowUpdate, 0, 0, '123')],
    6,
    /FRAME_SIZE_ERROR/,
  ],
  ['a WINDOW_UPDATE for a stream to come', [frame(Type.windowUpdate, 0, 3, u32(1))], 1, /stream 3/],
  ['PING for a stream', [frame(Type.ping, 0, 1, '12345678')], 1, /PROTOCOL_ERROR/],
  ['PING that is cut off', [frame(Type.ping, 0, 0, '1234567')], 6, /FRAME_SIZE_ERROR/],
  ['GOAWAY for a stream', [frame(Type.goAway, 0, 1, Buffer.alloc(8))], 1, /PROTOCOL_ERROR/],
  ['GOAWAY that is cut off', [frame(Type.goAway, 0, 0, Buffer.alloc(7))], 6, /FRAME_SIZE_ERROR/],
  ['RST_STREAM without a stream', [frame(Type.reset, 0, 0, u32(0))], 1, /PROTOCOL_ERROR/],
  ['RST_STREAM for a stream to come', [frame(Type.reset, 0, 3, u32(8))], 1, /stream 3/],
  ['RST_STREAM that is cut off', [frame(Type.reset, 0, 1, '123')], 6, /FRAME_SIZE_ERROR/],
  ['PRIORITY without a stream', [frame(Type.priority, 0, 0, '12345')], 1, /PROTOCOL_ERROR/],
  ['PRIORITY that is cut off', [frame(Type.priority, 0, 1, '1234')], 6, /FRAME_SIZE_ERROR/],
  [
    'PUSH_PROMISE',
    [frame(Type.push, END_HEADERS, 1, Buffer.concat([u32(2), ok]))],
    1,
    /PUSH_PROMISE/,
  ],
  ['HEADERS without a stream', [frame(Type.headers, END_HEADERS, 0, ok)], 1, /PROTOCOL_ERROR/],
  ['HEADERS for a stream of the server', [frame(Type.headers, END_HEADERS, 2, ok)], 1, /stream 2/],
  ['HEADERS for a stream to come', [frame(Type.headers, END_HEADERS, 3, ok)], 1, /stream 3/],
  [
    'HEADERS without room for its padding',
    [frame(Type.headers, END_HEADERS | PADDED, 1)],
    6,
    /cut off/,
  ],
  [
    'HEADERS without room for its priority',
    [frame(Type.headers, END_HEADERS | PRIORITY, 1, '1234')],
    6,
    /cut off/,
  ],
  [
    'HEADERS shorter than its padding',
    [frame(Type.headers, END_HEADERS | PADDED, 1, '\x05abc')],
    1,
    /padding/,
  ],
  [
    'CONTINUATION without HEADERS',
    [frame(Type.continuation, END_HEADERS, 1, ok)],
    1,
    /header block/,
  ],
  [
    'a frame inside a header block',
    [frame(Type.headers, 0, 1, ok), frame(Type.ping, 0, 0, '12345678')],
    1,
    /header block/,
  ],
  [
    'CONTINUATION of another stream',
    [frame(Type.headers, 0, 1, ok), frame(Type.continuation, END_HEADERS, 3)],
    1,
    /header block/,
  ],
  [
    'a header block that never ends',
    [
      frame(Type.headers, 0, 1, ok),
      ...Array.from({ length: 33 }, () => frame(Type.continuation, 0, 1)),
    ],
    11,
    /does not end/,
  ],
  [
    'a header block that is too long',
    [
      frame(Type.headers, 0, 1, ok),
      ...Array.from({ length: 3 }, () => frame(Type.continuation, 0, 1, Buffer.alloc(16_384))),
    ],
    11,
    /does not end/,
  ],
  [
    'a reference to nothing',
    [frame(Type.headers, END_HEADERS, 1, Buffer.from([0xbe]))],
    9,
    /COMPRESSION_ERROR/,
  ],
  [
    'a table larger than ours',
    [frame(Type.headers, END_HEADERS, 1, Buffer.from('3fe21f88', 'hex'))],
    9,
    /COMPRESSION/,
  ],
  ['DATA without a stream', [frame(Type.data, 0, 0, 'x')], 1, /PROTOCOL_ERROR/],
  ['DATA for a stream to come', [frame(Type.data, 0, 3, 'x')], 1, /stream 3/],
  ['DATA without room for its padding', [frame(Type.data, PADDED, 1)], 6, /cut off/],
  ['DATA shorter than its padding', [frame(Type.data, PADDED, 1, '\x05abc')], 1, /padding/],
];

for (const [what, bytes, code, says] of breaches) {
  test(`${what} ends the connection, not the process`, async () => {
    await using server = await startScriptedServer();
    await using pool = openPool(server);
    const outcome = pool.send(request('one'), later());
    const peer = await server.accept();
    await peer.requests(1);
    peer.write(...bytes);
    const { payload } = await peer.take(Type.goAway);
    const settled = await outcome;
    assert.equal(payload.readUInt32BE(4), code);
    assert.ok(settled.kind === 'unknown');
    assert.match(settled.cause.message, says);
    await peer.closed;
    const next = pool.send(request('two'), later());
    const successor = await server.accept();
    await successor.requests(1);
    successor.write(answer(1));
    assert.equal(word(await next), 200);
  });
}

test('a frame for a stream that is over is STREAM_CLOSED', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(answer(1), answer(1));
  assert.equal(word(await outcome), 200);
  assert.equal((await peer.take(Type.goAway)).payload.readUInt32BE(4), 5);
});

test('anything before SETTINGS ends the connection', async () => {
  await using server = await startScriptedServer(frame(Type.ping, 0, 0, '12345678'));
  await using pool = openPool(server);
  const { deadline } = later(200);
  await assert.rejects(pool.ready({ deadline }), /before SETTINGS/);
});

/** What ends a request, but not its connection; what our RST_STREAM says. */
const malformed: [what: string, bytes: Buffer[], code: number][] = [
  ['no status', [frame(Type.headers, 5, 1, literal('a', 'b'))], 1],
  ['a status that is none', [frame(Type.headers, 5, 1, literal(8, '20'))], 1],
  ['a name in upper case', [frame(Type.headers, 5, 1, Buffer.concat([ok, literal('A', 'b')]))], 1],
  [
    'a header of the connection',
    [frame(Type.headers, 5, 1, Buffer.concat([ok, literal('connection', 'b')]))],
    1,
  ],
  ['a second status', [frame(Type.headers, 5, 1, Buffer.concat([ok, ok]))], 1],
  ['an interim answer as the last', [frame(Type.headers, 5, 1, statusBlock(103))], 1],
  ['a body before its headers', [frame(Type.data, 0, 1, 'x')], 1],
  [
    'trailers that are not the last',
    [frame(Type.headers, 4, 1, ok), frame(Type.headers, 4, 1, literal('a', 'b'))],
    1,
  ],
  ['a status in the trailers', [frame(Type.headers, 4, 1, ok), frame(Type.headers, 5, 1, ok)], 1],
  [
    'headers that are too long',
    [
      frame(
        Type.headers,
        5,
        1,
        Buffer.concat([ok, ...Array.from({ length: 500 }, () => literal('a', 'b'))]),
      ),
    ],
    1,
  ],
  ['a WINDOW_UPDATE of 0', [frame(Type.windowUpdate, 0, 1, u32(0))], 1],
  ['a window that overflows', [frame(Type.windowUpdate, 0, 1, u32(2 ** 31 - 1))], 3],
];

for (const [what, bytes, code] of malformed) {
  test(`${what} ends the request, not its connection`, async () => {
    await using server = await startScriptedServer();
    await using pool = openPool(server);
    const outcome = pool.send(request('one'), later());
    const peer = await server.accept();
    await peer.requests(1);
    peer.write(...bytes);
    assert.equal((await peer.take(Type.reset)).payload.readUInt32BE(0), code);
    assert.equal(word(await outcome), 'unknown');
    const next = pool.send(request('two'), later());
    await peer.requests(1);
    // What still comes for the one that was reset is let pass.
    peer.write(frame(Type.data, END_STREAM, 1, 'late'), answer(3));
    assert.equal(word(await next), 200);
  });
}

test('a body waits for the windows of its stream and of the connection', async () => {
  await using server = await startScriptedServer(settings([4, 10]));
  await using pool = openPool(server);
  const outcomes = ['a'.repeat(25), 'b'.repeat(5)].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  // The second is not held up by the first.
  assert.deepEqual(await peer.requests(1), [{ stream: 3, body: 'bbbbb' }]);
  assert.equal(peer.body(1).length, 10);
  peer.write(frame(Type.windowUpdate, 0, 1, u32(7)));
  await peer.take(Type.data, ({ payload }) => payload.length === 7);
  // Below 0, then back: the window is used up, 7 less leave -7, 10 more leave 3.
  peer.write(settings([4, 3]), settings([4, 13]));
  await peer.take(Type.data, ({ payload }) => payload.length === 3);
  peer.write(settings([4, 30]));
  assert.deepEqual(await peer.requests(1), [{ stream: 1, body: 'a'.repeat(25) }]);
  peer.write(answer(1), answer(3));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 200]);
});

test('bodies beyond the window of the connection leave in order as it opens', async () => {
  await using server = await startScriptedServer(settings([4, 1_000_000]));
  await using pool = openPool(server);
  const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(40_000));
  const outcomes = bodies.map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(1);
  await peer.take(Type.data, ({ stream }) => stream === 3);
  assert.equal(peer.received.filter(({ type }) => type === Type.headers).length, 2);
  for (let left = 120_000 - 65_535; left > 0; left -= 20_000) {
    peer.write(frame(Type.windowUpdate, 0, 0, u32(Math.min(20_000, left))));
  }
  assert.deepEqual(
    (await peer.requests(2)).map(({ body }) => body),
    bodies.slice(1),
  );
  peer.write(answer(1), answer(3), answer(5));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 200, 200]);
});

test('the windows are given back on every answer, errors, cancelled ones and padding included', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  let window = 65_535;
  const peerOf = async () => {
    const peer = await server.accept();
    peer.socket.on('data', () => {
      for (const { stream, payload } of taken(peer))
        if (stream === 0) window += payload.readUInt32BE(0);
    });
    return peer;
  };
  const first = pool.send(request('first'), later());
  const peer = await peerOf();
  const [{ stream } = { stream: 0 }] = await peer.requests(1);
  peer.write(answer(stream));
  await first;
  const body = `\xff${'x'.repeat(15_000)}${'\0'.repeat(255)}`;
  for (let round = 0; round < 200; round += 1) {
    const controller = new AbortController();
    const outcome = pool.send(request('more'), { ...later(), signal: controller.signal });
    const [next] = await peer.requests(1);
    const id = next?.stream ?? 0;
    if (round % 2 === 0) {
      controller.abort();
      await outcome;
    }
    peer.write(
      frame(Type.headers, END_HEADERS, id, statusBlock(410)),
      frame(Type.data, END_STREAM | PADDED, id, Buffer.from(body, 'latin1')),
    );
    window -= body.length;
    if (round % 2 === 1) assert.equal(word(await outcome), 410);
    assert.ok(window > 0, `round ${round}`);
  }
  function* taken(from: Peer) {
    for (const one of from.received.splice(0)) if (one.type === Type.windowUpdate) yield one;
  }
});

test('a long answer gets the window of its stream back', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { maxResponseBytes: 1024 * 1024 } });
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(frame(Type.headers, END_HEADERS, 1, ok));
  let window = 65_535;
  for (let sent = 0; sent < 40; sent += 1) {
    while (window < 16_384) {
      const update = await peer.take(Type.windowUpdate, ({ stream }) => stream === 1);
      window += update.payload.readUInt32BE(0);
    }
    peer.write(frame(Type.data, 0, 1, Buffer.alloc(16_384, 'x')));
    window -= 16_384;
  }
  peer.write(frame(Type.data, END_STREAM, 1));
  const settled = await outcome;
  assert.ok(settled.kind === 'response');
  assert.equal(settled.body.length, 40 * 16_384);
});

test('an answer before the end of the request is the answer', async () => {
  await using server = await startScriptedServer(settings([4, 10]));
  await using pool = openPool(server);
  const outcome = pool.send(request('a'.repeat(25)), later());
  const peer = await server.accept();
  await peer.take(Type.data);
  peer.write(answer(1, 400, 'no'));
  assert.equal(word(await outcome), 400);
  const { payload } = await peer.take(Type.reset);
  assert.equal(payload.readUInt32BE(0), 0);
});

test('as many streams are open as the peer allows, as it lowers and raises its limit, to 1 and to 0', async () => {
  await using server = await startScriptedServer(settings([3, 2]));
  await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
  const outcomes = Array.from({ length: 12 }, (_, place) =>
    pool.send(request(`${place}`), later()),
  );
  const peer = await server.accept();
  let arrived: number[] = [];
  const arrive = async (count: number) => {
    arrived = (await peer.requests(count)).map(({ stream }) => stream);
    // An answered PING proves that nothing else was sent before it.
    peer.write(frame(Type.ping, 0, 0, 'are you?'));
    await peer.take(Type.ping);
    const opened = peer.received.filter(({ type }) => type === Type.headers).length;
    return opened;
  };
  assert.equal(await arrive(2), 2);
  peer.write(settings([3, 1]), answer(arrived[0] ?? 0));
  assert.equal(await arrive(0), 2);
  peer.write(answer(3));
  assert.equal(await arrive(1), 3);
  peer.write(settings([3, 0]), answer(5));
  assert.equal(await arrive(0), 3);
  peer.write(settings([3, 4]));
  assert.equal(await arrive(4), 7);
  peer.write(settings([3, 100]));
  assert.equal(await arrive(5), 12);
  peer.write(...[7, 9, 11, 13, 15, 17, 19, 21, 23].map((stream) => answer(stream)));
  assert.deepEqual(new Set((await Promise.all(outcomes)).map(word)), new Set([200]));
});

test('with token credentials one stream is open until an answer is not 403', async () => {
  await using server = await startScriptedServer();
  let asked = 0;
  const authorization = () => {
    asked += 1;
    return `bearer ${asked}`;
  };
  await using pool = openPool(server, { authorization, limits: { growAfterMs: 1 } });
  const outcomes = Array.from({ length: 5 }, (_, place) => pool.send(request(`${place}`), later()));
  const peer = await server.accept();
  for (const [stream, status] of [
    [1, 403],
    [3, 403],
    [5, 400],
  ] as const) {
    await peer.requests(1);
    assert.equal(asked, (stream + 1) / 2);
    peer.write(answer(stream, status));
  }
  await peer.requests(2);
  peer.write(answer(7), answer(9));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [403, 403, 400, 200, 200]);
  assert.equal(server.accepted, 1);
});

test('a provider token that cannot be made leaves the request unsent', async () => {
  await using server = await startScriptedServer();
  const authorization = () => {
    throw new Error('no key');
  };
  await using pool = openPool(server, { authorization });
  const outcome = await pool.send(request('one'), later());
  assert.ok(outcome.kind === 'unsent');
  assert.match(String(outcome.cause.cause), /no key/);
});

test('headers longer than the peer takes leave the request unsent', async () => {
  await using server = await startScriptedServer(settings([6, 500]));
  await using pool = openPool(server);
  const long = { ...request('one'), path: `/${'a'.repeat(500)}` };
  const outcome = await pool.send(long, later());
  assert.ok(outcome.kind === 'unsent');
  assert.match(outcome.cause.message, /the gateway takes 500/);
});

test('headers longer than a frame go on in CONTINUATION', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcome = pool.send({ ...request('one'), path: `/${'a'.repeat(40_000)}` }, later());
  const peer = await server.accept();
  await peer.requests(1);
  const parts = peer.received.filter(({ stream, type }) => stream === 1 && type !== Type.data);
  assert.deepEqual(
    parts.map(({ type, flags }) => [type, flags]),
    [
      [1, 0],
      [9, 0],
      [9, 4],
    ],
  );
  peer.write(answer(1));
  assert.equal(word(await outcome), 200);
});

test('a request without a body ends with its headers', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcome = pool.send({ method: 'GET', path: '/', headers: [], body: '' }, later());
  const peer = await server.accept();
  const { flags } = await peer.take(Type.headers);
  assert.equal(flags, END_HEADERS | END_STREAM);
  peer.write(answer(1));
  assert.equal(word(await outcome), 200);
});

for (const lastStream of [0, 1, 3, 5, 7, 9, 2 ** 31 - 1]) {
  test(`GOAWAY after stream ${lastStream}: those at or below finish, the others go to the successor`, async () => {
    await using server = await startScriptedServer();
    await using pool = openPool(server);
    const first = pool.send(request('first'), later());
    const peer = await server.accept();
    await peer.requests(1);
    const outcomes = ['second', 'third', 'fourth', 'fifth'].map((body) =>
      pool.send(request(body), later()),
    );
    await peer.requests(4);
    peer.write(frame(Type.ping, 0, 0, 'have you'), goAway(lastStream, 0, '{"reason":"Shutdown"}'));
    await peer.take(Type.ping);
    const kept = [1, 3, 5, 7, 9].filter((stream) => stream <= lastStream);
    // The successor is dialled although the old one still has work.
    const later1 = pool.send(request('sixth'), later());
    const successor = await server.accept();
    const moved = await successor.requests(6 - kept.length);
    const bodies = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'];
    assert.deepEqual(
      moved.map(({ body }) => body),
      bodies.slice(kept.length),
    );
    peer.write(...kept.map((stream) => answer(stream, 410)));
    successor.write(...moved.map(({ stream }) => answer(stream, 200)));
    const settled = await Promise.all([first, ...outcomes, later1]);
    assert.deepEqual(settled.map(word), [...kept.map(() => 410), ...moved.map(() => 200)]);
    await peer.closed;
    assert.equal(server.accepted, 2);
  });
}

test('GOAWAY in two steps moves what the second leaves out', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcomes = ['one', 'two'].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(2);
  peer.write(goAway(2 ** 31 - 1), goAway(1), answer(1));
  const successor = await server.accept();
  assert.deepEqual(await successor.requests(1), [{ stream: 1, body: 'two' }]);
  successor.write(answer(1, 410));
  assert.deepEqual((await Promise.all(outcomes)).map(word), [200, 410]);
});

test('REFUSED_STREAM is sent elsewhere', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(frame(Type.reset, 0, 1, u32(7)));
  const other = await server.accept();
  await other.requests(1);
  other.write(answer(1));
  assert.deepEqual([word(await outcome), server.accepted], [200, 2]);
});

test('what is refused again and again is handed back as unsent', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { maxConnections: 1 } });
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  for (const stream of [1, 3, 5]) {
    await peer.requests(1);
    peer.write(frame(Type.reset, 0, stream, u32(7)));
  }
  assert.equal(word(await outcome), 'unsent');
});

test('any other reset ends as unknown', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(frame(Type.reset, 0, 1, u32(2)));
  const settled = await outcome;
  assert.ok(settled.kind === 'unknown');
  assert.match(settled.cause.message, /INTERNAL_ERROR/);
});

test('a connection lost: what has left is unknown, what had not left whole is sent again', async () => {
  await using server = await startScriptedServer(settings([4, 10]));
  await using pool = openPool(server);
  const outcomes = ['short', 'longer than ten bytes'].map((body) =>
    pool.send(request(body), later()),
  );
  const peer = await server.accept();
  await peer.requests(1);
  await peer.take(Type.data, ({ stream }) => stream === 3);
  peer.socket.destroy();
  const successor = await server.accept();
  await successor.take(Type.data);
  successor.write(frame(Type.windowUpdate, 0, 1, u32(100)));
  assert.deepEqual(await successor.requests(1), [{ stream: 1, body: 'longer than ten bytes' }]);
  successor.write(answer(1));
  assert.deepEqual((await Promise.all(outcomes)).map(word), ['unknown', 200]);
});

test('at the deadline a request is unknown if it left, and its stream is cancelled', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
  const started = Date.now();
  const outcomes = [pool.send(request('one'), later(300)), pool.send(request('two'), later(150))];
  const peer = await server.accept();
  await peer.requests(1);
  assert.deepEqual((await Promise.all(outcomes)).map(word), ['unknown', 'unsent']);
  assert.ok(Date.now() - started >= 299);
  const { payload } = await peer.take(Type.reset);
  assert.equal(payload.readUInt32BE(0), 8);
  const next = pool.send(request('three'), later());
  await peer.requests(1);
  peer.write(answer(1, 200, 'too late'), answer(3));
  assert.equal(word(await next), 200);
});

test('a signal cancels: unknown if it left, unsent if it waited', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
  const controller = new AbortController();
  const options = { ...later(), signal: controller.signal };
  const outcomes = [pool.send(request('one'), options), pool.send(request('two'), options)];
  const peer = await server.accept();
  await peer.requests(1);
  controller.abort(new Error('not any more'));
  outcomes.push(pool.send(request('three'), options));
  const settled = await Promise.all(outcomes);
  assert.deepEqual(settled.map(word), ['unknown', 'unsent', 'unsent']);
  for (const outcome of settled) assert.match(causeOf(outcome), /not any more/);
  assert.equal((await peer.take(Type.reset)).payload.readUInt32BE(0), 8);
});

test('a signal has one listener for all its requests, and none once they are over', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  const outcomes = ['one', 'two'].map((body) => pool.send(request(body), { ...later(), signal }));
  const peer = await server.accept();
  await peer.requests(2);
  assert.equal(listeners, 1);
  peer.write(answer(1));
  await outcomes[0];
  assert.equal(listeners, 1);
  peer.write(answer(3));
  await outcomes[1];
  assert.equal(listeners, 0);
});

test('a silent connection is pinged, and kept when it answers', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { pingAfterMs: 20, pingTimeoutMs: 5_000 } });
  await pool.ready(later());
  const peer = await server.accept();
  for (let round = 0; round < 3; round += 1) {
    const { payload } = await peer.take(Type.ping, ({ flags }) => flags === 0);
    peer.write(frame(Type.ping, 1, 0, payload));
  }
  assert.equal(server.accepted, 1);
});

test('a connection whose PING is not answered is ended', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { pingAfterMs: 20, pingTimeoutMs: 40 } });
  const outcome = pool.send(request('one'), later());
  const peer = await server.accept();
  await peer.requests(1);
  const settled = await outcome;
  assert.ok(settled.kind === 'unknown');
  assert.match(settled.cause.message, /PING/);
  await peer.closed;
});

test('a connection that answers nothing while requests wait is retired, and its requests moved', async () => {
  await using server = await startScriptedServer(settings([3, 1]));
  await using pool = openPool(server, { limits: { stallMs: 80, growAfterMs: 1e9 } });
  const outcomes = ['one', 'two'].map((body) => pool.send(request(body), later()));
  const peer = await server.accept();
  await peer.requests(1);
  peer.write(frame(Type.ping, 0, 0, 'I live, but answer nothing'.slice(0, 8)));
  const successor = await server.accept();
  assert.deepEqual(await successor.requests(1), [{ stream: 1, body: 'two' }]);
  successor.write(answer(1));
  const settled = await Promise.all(outcomes);
  assert.deepEqual(settled.map(word), ['unknown', 200]);
  assert.match(causeOf(settled[0]), /answered nothing/);
});

test('a new connection comes before the stream ids run out', async () => {
  await using server = await startScriptedServer();
  await using pool = openPool(server, { limits: { lastStreamId: 5 } });
  const outcomes = Array.from({ length: 7 }, (_, place) => pool.send(request(`${place}`), later()));
  const bodies: string[] = [];
  for (const count of [3, 3, 1]) {
    const peer = await server.accept();
    const requests = await peer.requests(count);
    bodies.push(...requests.map(({ body }) => body));
    peer.write(...requests.map(({ stream }) => answer(stream)));
  }
  assert.deepEqual((await Promise.all(outcomes)).map(word), Array(7).fill(200));
  assert.deepEqual(bodies, ['0', '1', '2', '3', '4', '5', '6']);
});

test('a gateway that hangs up before SETTINGS may have refused the certificate, and the error says so', async () => {
  const { certificate } = await import('../../support/certificate.js');
  await using server = await startScriptedServer(settings(), {
    requestCert: true,
    rejectUnauthorized: true,
  });
  // Its own certificate is not one the server trusts.
  await using pool = openPool(server, certificate());
  await assert.rejects(pool.ready(later(1_000)), /client certificate|alert/);
  await using hangsUp = await startScriptedServer(Buffer.alloc(0));
  await using other = openPool(hangsUp, {
    ...certificate(),
    limits: { backoff: { firstMs: 1e6, factor: 1, maxMs: 1e6 } },
  });
  const ready = other.ready(later(500));
  (await hangsUp.accept()).socket.end();
  await assert.rejects(
    ready,
    /before its SETTINGS came, as it does to refuse a client certificate/,
  );
});

test('a gateway that chooses no protocol by ALPN is spoken to in HTTP/2, and is let go as any other', async () => {
  await using server = await startScriptedServer(settings(), { ALPNProtocols: [] });
  const pool = openPool(server);
  const outcome = pool.send(request('one'), later(10_000));
  const peer = await server.accept();
  assert.equal(peer.socket.alpnProtocol, false);
  await peer.requests(1);
  peer.write(answer(1));
  assert.equal(word(await outcome), 200);
  const closed = pool.close();
  await peer.take(Type.goAway);
  await closed;
});

test('a gateway without HTTP/2 is told apart', async () => {
  for (const ALPNProtocols of [['http/1.1'], []]) {
    await using server = await startScriptedServer(
      Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
      { ALPNProtocols },
    );
    await using pool = openPool(server);
    await assert.rejects(pool.ready(later(300)), /no application protocol|is it HTTP\/2/);
  }
});

test('a gateway that never sends SETTINGS is given up in time', async () => {
  await using server = await startScriptedServer(Buffer.alloc(0));
  await using pool = openPool(server, { limits: { connectTimeoutMs: 50 } });
  await assert.rejects(pool.ready(later(300)), /no SETTINGS came within 50 ms/);
});

test('a peer that does not read gets no more requests', async () => {
  await using server = await startScriptedServer(
    Buffer.concat([settings([4, 2 ** 30]), frame(Type.windowUpdate, 0, 0, u32(2 ** 30))]),
  );
  await using pool = openPool(server, { limits: { growAfterMs: 1e9 } });
  await pool.ready(later());
  const peer = await server.accept();
  peer.socket.pause();
  const body = 'x'.repeat(1_000_000);
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => pool.send(request(body), later(1_500))),
  );
  const words = outcomes.map(word);
  assert.ok(words.includes('unsent') && !words.includes(200));
});

test('a peer that asks for answers and does not read them is ended', async () => {
  await using server = await startScriptedServer();
  const lines: string[] = [];
  const log = (event: string, fields?: object) => lines.push(`${event} ${JSON.stringify(fields)}`);
  await using pool = openPool(server, { log });
  await pool.ready(later());
  const peer = await server.accept();
  peer.socket.pause();
  const pings = Buffer.concat(
    Array.from({ length: 1000 }, () => frame(Type.ping, 0, 0, '12345678')),
  );
  // Until the way back is full, whatever the size of the sockets' buffers.
  for (let over = false; !over; ) {
    over = await new Promise<boolean>((resolve) => {
      peer.socket.write(pings, (error) => resolve(error !== undefined && error !== null));
      peer.closed.then(() => resolve(true));
    });
  }
  assert.match(lines.join('\n'), /ENHANCE_YOUR_CALM/);
});

function causeOf(outcome: Outcome | undefined): string {
  assert.ok(outcome && outcome.kind !== 'response');
  return outcome.cause.message;
}
