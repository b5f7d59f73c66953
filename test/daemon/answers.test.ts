import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verdict } from '../../src/apns/verdict.js';
import { Answers, type Identity } from '../../src/daemon/answers.js';
import { ApnsUnavailableError, InvalidArgumentError } from '../../src/errors.js';

const accepted: Verdict = { kind: 'accepted' };
const failed: Verdict = { kind: 'failed', error: new ApnsUnavailableError('no answer') };
const later = Number.POSITIVE_INFINITY;

function identity(changes: Partial<Identity> = {}): Identity {
  return { appId: 'app', token: 'aa', id: 'id-1', payloadHash: 'one', ...changes };
}

/** Apple, as far as these tests need it: it answers what it is told to, when it is told to. */
class Apple {
  readonly answers: ((verdict: Verdict) => void)[] = [];

  readonly send = () => new Promise<Verdict>((resolve) => this.answers.push(resolve));
}

async function sendNow(answers: Answers, who: Identity, verdict: Verdict): Promise<boolean> {
  let sent = false;
  await answers.once(who, later, async () => {
    sent = true;
    return verdict;
  });
  return sent;
}

test('a repeat joins the one under way, and a later one gets the same answer', async () => {
  const answers = new Answers(10);
  const apple = new Apple();
  const joined = [1, 2, 3].map(() => answers.once(identity(), later, apple.send));
  assert.equal(apple.answers.length, 1);
  const rejected: Verdict = { kind: 'rejected', reason: 'BadTopic', httpStatus: 400 };
  apple.answers[0]?.(rejected);
  assert.deepEqual(await Promise.all(joined), [rejected, rejected, rejected]);
  assert.equal(await answers.once(identity(), later, apple.send), rejected);
  assert.equal(apple.answers.length, 1);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, forgotten: 0 });
});

test('the same id is another notification with another token or of another app', async () => {
  const answers = new Answers(10);
  for (const who of [{}, { token: 'bb' }, { appId: 'other' }, { id: 'id-2' }]) {
    assert.ok(await sendNow(answers, identity(who), accepted));
    assert.ok(!(await sendNow(answers, identity(who), accepted)));
  }
});

test('the same id and token with another payload are refused, under way and answered', async () => {
  const answers = new Answers(10);
  const apple = new Apple();
  const other = identity({ payloadHash: 'other' });
  const refused = { name: InvalidArgumentError.name, message: /id-1 was used for another payload/ };
  const first = answers.once(identity(), later, apple.send);
  await assert.rejects(answers.once(other, later, apple.send), refused);
  apple.answers[0]?.(accepted);
  assert.equal(await first, accepted);
  await assert.rejects(answers.once(other, later, apple.send), refused);
});

test('what failed is not remembered: one of those who had joined sends again, the others join it', async () => {
  const answers = new Answers(10);
  const apple = new Apple();
  const joined = [1, 2, 3].map(() => answers.once(identity(), later, apple.send));
  apple.answers[0]?.(failed);
  assert.equal(await joined[0], failed);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(apple.answers.length, 2);
  apple.answers[1]?.(accepted);
  assert.deepEqual(await Promise.all(joined), [failed, accepted, accepted]);
});

test('who has joined and has no time left gets the failure', async () => {
  let now = 0;
  const answers = new Answers(10, () => now);
  const apple = new Apple();
  const first = answers.once(identity(), 100, apple.send);
  const joined = answers.once(identity(), 100, apple.send);
  now = 100;
  apple.answers[0]?.(failed);
  assert.deepEqual(await Promise.all([first, joined]), [failed, failed]);
  assert.equal(apple.answers.length, 1);
});

test('a send that throws leaves nothing behind', async () => {
  const answers = new Answers(10);
  const broken = answers.once(identity(), later, () => Promise.reject(new Error('a bug')));
  await assert.rejects(broken, /a bug/);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 0, forgotten: 0 });
});

test('the oldest answers go first, and it is counted that they went before their time', async () => {
  const answers = new Answers(3);
  const ids = ['1', '2', '3', '4', '5'];
  for (const id of ids) await sendNow(answers, identity({ id }), accepted);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 3, forgotten: 2 });
  assert.ok(!(await sendNow(answers, identity({ id: '3' }), accepted)));
  assert.ok(await sendNow(answers, identity({ id: '1' }), accepted));
});

test('no answer is kept for more than ten minutes', async () => {
  let now = 0;
  const answers = new Answers(10, () => now);
  await sendNow(answers, identity({ id: '1' }), accepted);
  now = 599_999;
  assert.ok(!(await sendNow(answers, identity({ id: '1' }), accepted)));
  now = 600_000;
  assert.ok(await sendNow(answers, identity({ id: '1' }), accepted));
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, forgotten: 0 });
  now = 1_200_000;
  await sendNow(answers, identity({ id: '2' }), accepted);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, forgotten: 0 });
});
