import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlowStart } from '../../../src/apns/http2/slow-start.js';

/** Streams after each round of answers. */
function rounds(slowStart: SlowStart, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { streams } = slowStart;
    for (let answers = 0; answers < streams; answers += 1) slowStart.onAnswer();
    return streams;
  });
}

test('after a connection that lived long the streams double with each round of answers', () => {
  assert.deepEqual(rounds(new SlowStart(1e6, 1000), 8), [8, 16, 32, 64, 128, 256, 512, 1024]);
});

test('after one that was cut early they stay few until twice as many were answered', () => {
  const slowStart = new SlowStart(300, 20);
  assert.deepEqual(rounds(slowStart, 4), [8, 16, 20, 20]);
  for (let answers = 64; answers < 640; answers += 1) slowStart.onAnswer();
  assert.equal(slowStart.streams, 20);
  assert.deepEqual(rounds(slowStart, 3), [20, 40, 80]);
});

test('a gateway that cuts after a handful of requests gets them one by one', () => {
  assert.deepEqual(rounds(new SlowStart(2, 8), 4), [1, 1, 1, 1]);
});
