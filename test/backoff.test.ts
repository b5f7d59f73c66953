import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, pause } from '../src/backoff.js';

const spacing = { firstDelayMs: 100, factor: 2, maxDelayMs: 2000 };

test('pauses grow up to their limit, each cut by up to a half', () => {
  for (const [number, whole] of [100, 200, 400, 800, 1600, 2000, 2000].entries()) {
    for (let time = 0; time < 100; time += 1) {
      const ms = pause(spacing, number + 1);
      assert.ok(ms >= whole / 2 && ms <= whole, `${ms} before repeat ${number + 1}`);
    }
  }
  assert.ok(pause(spacing, 1e9) <= 2000);
});

test('processes that wait at the limit do not knock together', () => {
  const limits = Array.from({ length: 100 }, () => Number(backoff(spacing, 0).maxTimeout));
  assert.ok(Math.min(...limits) >= 1000 && Math.max(...limits) <= 2000);
  assert.ok(new Set(limits).size > 90);
});

test('a repair that is taken up again goes on where it was', () => {
  assert.equal(backoff(spacing, 0).minTimeout, 100);
  assert.equal(backoff(spacing, 3).minTimeout, 800);
  assert.equal(backoff(spacing, 1e9).minTimeout, 2000);
});
