import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Frame } from '../../../src/apns/http2/codec/frame-reader.js';
import { PendingRequest } from '../../../src/apns/http2/pending-request.js';
import { Streams } from '../../../src/apns/http2/stream.js';
import { request } from './scripted-server.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

function memory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function open(streams: Streams) {
  const listener = { onSettled: () => {}, trouble: () => undefined };
  const exchange = new PendingRequest(request('{}'), { deadline: 1e9 }, listener, () => {});
  return streams.add(exchange, 65_535, () => {});
}

function data(bytes: string): Frame {
  const frame = new Frame();
  frame.bytes = Buffer.from(bytes);
  frame.end = frame.bytes.length;
  return frame;
}

test('a body that comes byte by byte takes no more memory than its bytes', () => {
  const streams = new Streams();
  const text = `{"reason":"${'é'.repeat(1000)}"}`;
  const bytes = [...Buffer.from(text)].map((byte) => {
    const frame = data('x');
    frame.bytes = Buffer.from([byte]);
    return frame;
  });
  const all = Array.from({ length: 200 }, () => open(streams));
  const before = memory();
  for (const frame of bytes) for (const stream of all) streams.addData(stream, frame, false);
  const grown = memory() - before;
  for (const stream of all) streams.addData(stream, data(''), true);
  assert.deepEqual(new Set(all.map(({ body }) => body)), new Set([text]));
  // Room for what comes next included.
  assert.ok(grown < 3 * 200 * bytes.length, `${grown} bytes for ${200 * bytes.length}`);
});

test('the bodies of open streams are counted, and those of no others', () => {
  const streams = new Streams();
  const [first, second, third] = [open(streams), open(streams), open(streams)];
  for (const stream of [first, second, third]) streams.addData(stream, data('12345'), false);
  assert.equal(streams.bodyBytes, 15);
  streams.addData(first, data('678'), true);
  assert.equal(streams.bodyBytes, 18);
  streams.remove(first);
  streams.remove(first);
  streams.cancel(second);
  assert.equal(streams.bodyBytes, 5);
  streams.removeAbove(0);
  assert.equal(streams.bodyBytes, 0);
});
