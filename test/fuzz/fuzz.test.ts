import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { fuzz } from './fuzz.js';
import { inputOf } from './inputs.js';

test('five thousand spoiled and invented calls are answered, and leave the daemon as it was', async (t) => {
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const { answers } = await fuzz({ count: 5000, seed });
  // They get past HTTP and XML, to the methods.
  for (const answer of [
    'nil',
    'a value',
    'fault -32700',
    'fault -32600',
    'fault 400',
    'HTTP 200',
  ]) {
    assert.ok((answers[answer] ?? 0) > 20, `${answer}: ${JSON.stringify(answers)}`);
  }
});

test('an input comes again from its seed and number', () => {
  for (let number = 0; number < 200; number += 1) {
    assert.deepEqual(inputOf(7, number), inputOf(7, number));
  }
});
