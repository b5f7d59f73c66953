import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Turns } from '../../src/daemon/turns.js';

test('between two turns the network is looked at, however many wait', async () => {
  const turns = new Turns();
  let taken = 0;
  const works = Array.from({ length: 20 }, async () => {
    for (let stretch = 0; stretch < 5; stretch += 1) {
      await turns.next();
      taken += 1;
    }
  });
  for (let rounds = 0; taken < 100; rounds += 1) {
    assert.ok(taken <= rounds + 1, `${taken} turns in ${rounds} rounds`);
    await setImmediate();
  }
  await Promise.all(works);
});

test('each has its turn in the order in which they came', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const work = async (name: string) => {
    for (let stretch = 0; stretch < 3; stretch += 1) {
      await turns.next();
      order.push(name);
    }
  };
  await Promise.all([work('a'), work('b'), work('c')]);
  assert.equal(order.join(''), 'abcabcabc');
  // A pause later too.
  await work('d');
});
