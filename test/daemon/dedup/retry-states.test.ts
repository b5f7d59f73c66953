import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetryState } from '../../../src/apns/retry.js';
import { Digest, Fingerprint } from '../../../src/daemon/dedup/fingerprint.js';
import { RetryStates } from '../../../src/daemon/dedup/retry-states.js';
import { ApnsUnavailableError } from '../../../src/errors.js';

function fingerprint(number: number): Fingerprint {
  const id = `1b9a1c6e-5f0f-4a53-9d3c-${number.toString(16).padStart(12, '0')}`;
  return new Fingerprint(new Digest('app'), 'aa11', id);
}

function state(notBefore = 0): RetryState {
  return { failures: 1, notBefore, error: new ApnsUnavailableError('no answer') };
}

test('a state is handed out once, and to its own notification', () => {
  const states = new RetryStates(10, 100);
  const kept = state();
  states.keep(fingerprint(1), kept, 0);
  assert.equal(states.take(fingerprint(2), 0), undefined);
  assert.equal(states.take(fingerprint(1), 0), kept);
  assert.equal(states.take(fingerprint(1), 0), undefined);
  assert.equal(states.size, 0);
});

test('beyond the limit the oldest goes; where the limit is 0 none is kept', () => {
  const states = new RetryStates(2, 100);
  for (const number of [1, 2, 3]) states.keep(fingerprint(number), state(), 0);
  assert.equal(states.size, 2);
  assert.equal(states.take(fingerprint(1), 0), undefined);
  assert.ok(states.take(fingerprint(2), 0));
  const none = new RetryStates(0, 100);
  none.keep(fingerprint(1), state(), 0);
  assert.equal(none.size, 0);
});

test('none is kept longer than its time, counted from when its notification may be sent again', () => {
  const states = new RetryStates(10, 100);
  states.keep(fingerprint(1), state(50), 0);
  states.keep(fingerprint(2), state(), 0);
  assert.equal(states.take(fingerprint(2), 100), undefined);
  states.keep(fingerprint(3), state(), 149);
  assert.equal(states.size, 2);
  states.keep(fingerprint(4), state(), 150);
  assert.equal(states.size, 2);
});
