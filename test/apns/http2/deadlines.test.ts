import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines, Waiting } from '../../../src/apns/http2/deadlines.js';

class Wait extends Waiting {
  readonly expired: Promise<void>;
  expire!: () => void;

  constructor(deadline: number) {
    super(deadline);
    this.expired = new Promise((resolve) => {
      this.expire = resolve;
    });
  }
}

test('all expire that are due, and none before its deadline or once it has left', async () => {
  const deadlines = new Deadlines(5, () => {});
  const now = performance.now();
  const waits = [30, 10, 20, 15].map((ms) => new Wait(now + ms));
  for (const wait of waits) deadlines.add(wait);
  const [first, , , left] = waits;
  if (left) deadlines.delete(left);
  const early: number[] = [];
  for (const wait of waits) {
    wait.expired.then(() => {
      if (performance.now() < wait.deadline || wait === left) early.push(wait.deadline - now);
    });
  }
  await first?.expired;
  assert.deepEqual(early, []);
  assert.equal(deadlines.size, 0);
});

test('what came while the process was held up is read before its deadline counts', async () => {
  const deadlines = new Deadlines(5, () => {});
  const wait = new Wait(performance.now() + 10);
  deadlines.add(wait);
  const heldUpUntil = performance.now() + 600;
  while (performance.now() < heldUpUntil);
  // In the turn in which sockets are read.
  const outcome = new Promise((resolve) => {
    setImmediate(() => {
      deadlines.delete(wait);
      resolve('answered');
    });
  });
  const expired = wait.expired.then(() => 'expired');
  assert.equal(await Promise.race([expired, outcome]), 'answered');
});
