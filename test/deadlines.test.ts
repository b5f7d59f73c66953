import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines, WithDeadline } from '../src/deadlines.js';
import { maxTimerMs } from '../src/validation.js';

class Wait extends WithDeadline {
  readonly expired: Promise<number>;
  expire!: () => void;

  constructor(ms: number) {
    super(performance.now() + ms);
    this.expired = new Promise((resolve) => {
      this.expire = () => resolve(performance.now());
    });
  }
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

test('each expires once its deadline has come, whatever was added and has left before', async () => {
  const deadlines = new Deadlines<Wait>();
  const waits = [60, 1, 1, 30, 5, 90, 2.5].map((ms) => new Wait(ms));
  const left = [new Wait(1), new Wait(30), new Wait(maxTimerMs)];
  for (const wait of [...left, ...waits]) deadlines.add(wait);
  assert.deepEqual(new Set(deadlines), new Set([...left, ...waits]));
  for (const wait of left) {
    wait.expire = () => assert.fail('it has left');
    deadlines.delete(wait);
    deadlines.delete(wait);
  }
  for (const wait of waits) assert.ok((await wait.expired) >= wait.deadline);
  assert.equal(deadlines.empty, true);
});

test('one that is due sooner than what waits is not held up by it, and those of one moment leave in any order', async () => {
  const deadlines = new Deadlines<Wait>();
  const late = new Wait(maxTimerMs);
  deadlines.add(late);
  const [first, second, third] = [new Wait(20), new Wait(20), new Wait(20)] as const;
  for (const wait of [first, second, third]) deadlines.add(wait);
  deadlines.delete(second);
  second.expire = () => assert.fail('it has left');
  await Promise.all([first.expired, third.expired]);
  assert.deepEqual([...deadlines], [late]);
  deadlines.delete(late);
});

test('one timer runs for all, and none while nothing waits', () => {
  const before = timers();
  const deadlines = new Deadlines<Wait>();
  const waits = Array.from({ length: 1000 }, (_, number) => new Wait(1000 + number));
  for (let round = 0; round < 2; round += 1) {
    for (const wait of waits) deadlines.add(wait);
    assert.equal(timers(), before + 1);
    for (const wait of waits) deadlines.delete(wait);
    assert.equal(timers(), before);
  }
});

test('the longest deadline that a timer takes is none that has come', async () => {
  const deadlines = new Deadlines<Wait>();
  const longest = new Wait(maxTimerMs);
  longest.expire = () => assert.fail('it came at once');
  deadlines.add(longest);
  const short = new Wait(30);
  deadlines.add(short);
  await short.expired;
  assert.deepEqual([...deadlines], [longest]);
  deadlines.delete(longest);
});
