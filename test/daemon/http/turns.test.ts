import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Turns } from '../../../src/daemon/http/turns.js';

test('between two turns the network is looked at, however many wait', async () => {
  const turns = new Turns();
  let taken = 0;
  const works = Array.from({ length: 20 }, async () => {
    const turn = turns.arrive();
    for (let stretch = 0; stretch < 5; stretch += 1) {
      await turn();
      taken += 1;
    }
  });
  for (let rounds = 0; taken < 100; rounds += 1) {
    assert.ok(taken <= rounds + 1, `${taken} turns in ${rounds} rounds`);
    await setImmediate();
  }
  await Promise.all(works);
});

test('what came first is finished first, unless it waits for something else', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const work = async (name: string, pause?: Promise<void>) => {
    const turn = turns.arrive();
    for (let stretch = 0; stretch < 3; stretch += 1) {
      await turn();
      order.push(name);
      if (stretch === 0) await pause;
    }
  };
  let goOn = () => {};
  const pause = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const first = work('a', pause);
  const others = [work('b'), work('c')];
  await Promise.all(others);
  goOn();
  await Promise.all([first, work('d')]);
  assert.equal(order.join(''), 'abbbcccaaddd');
});
