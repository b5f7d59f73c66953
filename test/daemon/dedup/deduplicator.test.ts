import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetryState } from '../../../src/apns/retry.js';
import type { Verdict } from '../../../src/apns/verdict.js';
import type { Told } from '../../../src/daemon/apps/apps.js';
import { Deduplicator } from '../../../src/daemon/dedup/deduplicator.js';
import { Digest, Fingerprint } from '../../../src/daemon/dedup/fingerprint.js';
import { ApnsUnavailableError, InvalidArgumentError } from '../../../src/errors.js';

const accepted: Verdict = { kind: 'accepted' };
const failed = { kind: 'failed', error: new ApnsUnavailableError('no answer') } as const;
const later = Number.POSITIVE_INFINITY;

/** What a notification is known by. */
interface Identity {
  appId: string;
  token: string;
  id: string;
  payload: string;
}

function idOf(number: number): string {
  return `1b9a1c6e-5f0f-4a53-9d3c-${number.toString(16).padStart(12, '0')}`;
}

function identity(changes: Partial<Identity> = {}): Identity {
  return { appId: 'app', token: 'aa', id: idOf(1), payload: 'one', ...changes };
}

/** As `answers.once`, with a promise for who asks, and one of who sends. */
function once(
  answers: Deduplicator,
  { appId, token, id, payload }: Identity,
  deadline: number,
  send: (state?: RetryState) => Promise<Verdict>,
): Promise<Verdict> {
  return new Promise((answered, broke) =>
    answers.once({
      id,
      fingerprint: new Fingerprint(new Digest(appId), token, id),
      payload: new Digest(payload),
      deadline,
      waits: () => {},
      send: (told, state) => {
        send(state).then(
          (verdict) => told.answered(verdict),
          (error) => told.broke(error),
        );
      },
      answered,
      broke,
    }),
  );
}

/** Apple, as far as these tests need it: it answers what it is told to, when it is told to. */
class Apple {
  readonly answers: ((verdict: Verdict) => void)[] = [];

  readonly send = () => new Promise<Verdict>((resolve) => this.answers.push(resolve));
}

async function sendNow(answers: Deduplicator, who: Identity, verdict: Verdict): Promise<boolean> {
  let sent = false;
  await once(answers, who, later, async () => {
    sent = true;
    return verdict;
  });
  return sent;
}

test('a repeat joins the one under way, and a later one gets the same answer', async () => {
  const answers = new Deduplicator(10);
  const apple = new Apple();
  const joined = [1, 2, 3].map(() => once(answers, identity(), later, apple.send));
  assert.equal(apple.answers.length, 1);
  const rejected: Verdict = { kind: 'rejected', reason: 'BadTopic', httpStatus: 400 };
  apple.answers[0]?.(rejected);
  assert.deepEqual(await Promise.all(joined), [rejected, rejected, rejected]);
  assert.equal(await once(answers, identity(), later, apple.send), rejected);
  assert.equal(apple.answers.length, 1);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, failed: 0, forgotten: 0 });
});

test('the same id is another notification with another token or of another app', async () => {
  const answers = new Deduplicator(10);
  for (const who of [{}, { token: 'bb' }, { appId: 'other' }, { id: idOf(2) }]) {
    assert.ok(await sendNow(answers, identity(who), accepted));
    assert.ok(!(await sendNow(answers, identity(who), accepted)));
  }
});

test('the same id and token with another payload are refused, under way and answered', async () => {
  const answers = new Deduplicator(10);
  const apple = new Apple();
  const other = identity({ payload: 'other' });
  const expectRefused = async () => {
    const verdict = await once(answers, other, later, apple.send);
    assert.ok(verdict.kind === 'failed' && verdict.error instanceof InvalidArgumentError);
    assert.ok(verdict.error.message.startsWith(`id ${idOf(1)} was used for another payload`));
  };
  const first = once(answers, identity(), later, apple.send);
  await expectRefused();
  apple.answers[0]?.(accepted);
  assert.equal(await first, accepted);
  await expectRefused();
  assert.equal(apple.answers.length, 1);
});

test('a failure is no answer: of those who had joined, who has most time left sends again, the others join it', async () => {
  let now = 0;
  const answers = new Deduplicator(10, () => now);
  const apple = new Apple();
  const states: (RetryState | undefined)[] = [];
  const senders: number[] = [];
  const joined = [100, 300, 500, 400].map((deadline) =>
    once(answers, identity(), deadline, (state) => {
      states.push(state);
      senders.push(deadline);
      return apple.send();
    }),
  );
  now = 100;
  apple.answers[0]?.(failed);
  assert.equal(await joined[0], failed);
  assert.deepEqual(senders, [100, 500]);
  assert.equal(states[1]?.error, failed.error);
  apple.answers[1]?.(accepted);
  assert.deepEqual(await Promise.all(joined), [failed, accepted, accepted, accepted]);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, failed: 0, forgotten: 0 });
});

/** Sends nothing, and hands over what the policy would tell. */
function ask(
  answers: Deduplicator,
  deadline: number,
  told: (told: Told, state?: RetryState) => void,
) {
  const heard: { verdicts: Verdict[]; waits: string[] } = { verdicts: [], waits: [] };
  answers.once({
    id: idOf(1),
    fingerprint: new Fingerprint(new Digest('app'), 'aa', idOf(1)),
    payload: new Digest('one'),
    deadline,
    send: told,
    answered: (verdict) => heard.verdicts.push(verdict),
    waits: ({ message }) => heard.waits.push(message),
    broke: (error) => assert.fail(String(error)),
  });
  return heard;
}

test('what may not be sent in time any more has failed for all who can not wait, and is handed to who asks next', () => {
  const answers = new Deduplicator(10, () => 0);
  const state: RetryState = {
    failures: 1,
    notBefore: 1000,
    error: new ApnsUnavailableError('429'),
  };
  let first: Told | undefined;
  const one = ask(answers, 500, (told) => {
    first = told;
  });
  const hasTime = ask(answers, 2000, (_, again) => assert.equal(again, state));
  const hasNone = ask(answers, 1000, () => assert.fail('sent'));
  first?.retries?.(state);
  for (const each of [one, hasTime, hasNone]) assert.deepEqual(each.waits, ['429']);
  first?.answered(failed);
  assert.deepEqual([one.verdicts, hasNone.verdicts, hasTime.verdicts], [[failed], [failed], []]);
  assert.deepEqual(answers.counts, { underWay: 1, kept: 0, failed: 0, forgotten: 0 });
  const late = ask(answers, 3000, () => assert.fail('sent'));
  assert.deepEqual(late.waits, ['429']);
});

test('a notification that failed is known for ten minutes, so that who asks for it goes on where it stood', () => {
  let now = 0;
  const answers = new Deduplicator(10, () => now);
  const state: RetryState = { failures: 3, notBefore: 0, error: failed.error };
  const failing = (told: Told) => {
    told.retries?.(state);
    told.answered(failed);
  };
  const states: (RetryState | undefined)[] = [];
  for (const at of [0, 599_999, 1_199_999]) {
    now = at;
    ask(answers, later, (told, again) => {
      states.push(again);
      failing(told);
    });
  }
  assert.deepEqual(states, [undefined, state, undefined]);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 0, failed: 1, forgotten: 0 });
});

test('who has joined and has no time left gets the failure', async () => {
  let now = 0;
  const answers = new Deduplicator(10, () => now);
  const apple = new Apple();
  const first = once(answers, identity(), 100, apple.send);
  const joined = once(answers, identity(), 100, apple.send);
  now = 100;
  apple.answers[0]?.(failed);
  assert.deepEqual(await Promise.all([first, joined]), [failed, failed]);
  assert.equal(apple.answers.length, 1);
});

test('what breaks for one breaks for all who joined, and leaves nothing behind', async () => {
  const answers = new Deduplicator(10);
  const send = () => Promise.reject(new Error('a bug'));
  const joined = [1, 2].map(() => once(answers, identity(), later, send));
  for (const each of joined) await assert.rejects(each, /a bug/);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 0, failed: 0, forgotten: 0 });
});

test('a send that throws leaves nothing behind', async () => {
  const answers = new Deduplicator(10);
  const broken = once(answers, identity(), later, () => {
    throw new Error('a bug');
  });
  await assert.rejects(broken, /a bug/);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 0, failed: 0, forgotten: 0 });
});

test('the oldest answers go first, and it is counted that they went before their time', async () => {
  const answers = new Deduplicator(3);
  const ids = [1, 2, 3, 4, 5].map(idOf);
  for (const id of ids) await sendNow(answers, identity({ id }), accepted);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 3, failed: 0, forgotten: 2 });
  assert.ok(!(await sendNow(answers, identity({ id: idOf(3) }), accepted)));
  assert.ok(await sendNow(answers, identity({ id: idOf(1) }), accepted));
});

test('no answer is kept for more than ten minutes', async () => {
  let now = 0;
  const answers = new Deduplicator(10, () => now);
  await sendNow(answers, identity({ id: idOf(1) }), accepted);
  now = 599_999;
  assert.ok(!(await sendNow(answers, identity({ id: idOf(1) }), accepted)));
  now = 600_000;
  assert.ok(await sendNow(answers, identity({ id: idOf(1) }), accepted));
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, failed: 0, forgotten: 0 });
  now = 1_200_000;
  await sendNow(answers, identity({ id: idOf(2) }), accepted);
  assert.deepEqual(answers.counts, { underWay: 0, kept: 1, failed: 0, forgotten: 0 });
});

test('a hundred thousand may be under way, whether they are sent or rest', () => {
  const answers = new Deduplicator(10);
  const told: Told[] = [];
  const [app, payload] = [new Digest('app'), new Digest('one')];
  for (let number = 0; number < 100_000; number += 1) {
    answers.once({
      id: idOf(number),
      fingerprint: new Fingerprint(app, 'aa', idOf(number)),
      payload,
      deadline: later,
      send: (one) => told.push(one),
      answered: () => {},
      waits: () => {},
      broke: assert.fail,
    });
  }
  assert.deepEqual([answers.hasRoom(0), answers.hasRoom(1)], [true, false]);
  told[0]?.answered(accepted);
  assert.deepEqual([answers.hasRoom(1), answers.hasRoom(2)], [true, false]);
});
