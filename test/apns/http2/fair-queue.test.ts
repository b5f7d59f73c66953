import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue, Flow, type Queued } from '../../../src/apns/http2/fair-queue.js';

interface Named extends Queued<Named> {
  name: string;
}

function queued(name: string, flow: Flow, bodyBytes = 1): Named {
  const nowhere = { line: undefined, lane: undefined, before: undefined, behind: undefined };
  return { name, flow, bodyBytes, ...nowhere };
}

function* drain(line: FairQueue<Named>) {
  for (let next = line.shift(); next; next = line.shift()) yield next.name;
}

test('who sends one waits for one of each who send many', () => {
  const line = new FairQueue<Named>();
  const [many, more, one] = [new Flow(), new Flow(), new Flow()];
  for (const name of ['a1', 'a2', 'a3']) line.push(queued(name, many));
  for (const name of ['b1', 'b2']) line.push(queued(name, more));
  assert.equal(line.shift()?.name, 'a1');
  line.push(queued('c1', one));
  assert.deepEqual([...drain(line)], ['b1', 'a2', 'c1', 'b2', 'a3']);
  assert.equal(line.shift(), undefined);
});

test('what was given back is the next, in its order', () => {
  const line = new FairQueue<Named>();
  const [many, one] = [new Flow(), new Flow()];
  const [first, second, third] = ['a1', 'a2', 'a3'].map((name) => queued(name, many));
  for (const each of [first, second, third]) if (each) line.push(each);
  line.push(queued('c1', one));
  const taken = [line.shift(), line.shift(), line.shift()];
  assert.deepEqual(
    taken.map((each) => each?.name),
    ['a1', 'c1', 'a2'],
  );
  for (const each of [second, first]) if (each) line.pushFront(each);
  assert.deepEqual([...drain(line)], ['a1', 'a2', 'a3']);
});

test('any member can leave at any time, and length and bytes count those that wait', () => {
  const flows = [new Flow(), new Flow(), new Flow()];
  for (let leaver = 0; leaver < 9; leaver += 1) {
    const line = new FairQueue<Named>();
    const members = flows.flatMap((flow, at) =>
      [0, 1, 2].map((number) => queued(`${at}${number}`, flow, 10)),
    );
    for (const member of members) line.push(member);
    const left = members[leaver];
    if (left) line.remove(left);
    if (left) line.remove(left);
    assert.deepEqual([line.length, line.bytes], [8, 80]);
    const names = [...drain(line)];
    assert.deepEqual(
      [...names, left?.name].sort(),
      members.map(({ name }) => name),
    );
    for (const at of ['0', '1', '2']) {
      const own = names.filter((name) => name.startsWith(at));
      assert.deepEqual(own, [...own].sort());
    }
    assert.deepEqual([line.length, line.bytes], [0, 0]);
  }
});
