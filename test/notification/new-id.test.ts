import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newId } from '../../src/notification/new-id.js';

const count = 20_000;
const ids = Array.from({ length: count }, newId);

test('an id is a UUID of version 4, in lower case, and none comes twice', () => {
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  assert.equal(new Set(ids).size, count);
});

test('each of its 122 bits is by chance', () => {
  const set = new Array<number>(128).fill(0);
  for (const id of ids) {
    const value = BigInt(`0x${id.replaceAll('-', '')}`);
    for (let bit = 0; bit < 128; bit += 1) {
      if ((value >> BigInt(bit)) & 1n) set[bit] = (set[bit] ?? 0) + 1;
    }
  }
  const fixed = set.filter((times) => times === 0 || times === count);
  assert.equal(fixed.length, 6);
  // Seven standard deviations: less than once in a thousand million runs.
  const odd = set.filter((times) => Math.abs(times - count / 2) > 7 * Math.sqrt(count / 4));
  assert.equal(odd.length, 6);
});
