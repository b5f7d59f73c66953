import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordedRequest } from 'apnsd/testing';
import { type Evidence, type History, judge, type Outcome, payloadOf, tokenOf } from './ledger.js';

const quiet: History = { lives: [], hangUps: [], disturbances: [], timeoutMs: 1000 };
const told: Outcome = { number: 0, status: 'accepted', id: 'one', ms: 5 };

function taken(fields: Partial<RecordedRequest> = {}): RecordedRequest {
  return {
    at: 10_000,
    connection: 1,
    topic: 'com.example.app',
    token: tokenOf(0),
    id: 'one',
    headers: { 'apns-collapse-id': 'one' },
    payload: payloadOf(0),
    status: 200,
    reason: null,
    ...fields,
  };
}

/** On one notification, unless it says otherwise. */
function judged(evidence: Partial<Omit<Evidence, 'history'>> & { history?: Partial<History> }) {
  return judge({
    sent: 1,
    outcomes: [told],
    record: [taken()],
    ...evidence,
    history: { ...quiet, ...evidence.history },
  });
}

test('an accepted notification that Apple took once is without fault', () => {
  const { sent, accepted, failed, missing, twiceAllowed, faults } = judged({});
  assert.deepEqual(
    { sent, accepted, failed, missing, twiceAllowed, faults },
    {
      ...{ sent: 1, accepted: 1, failed: 0, missing: 0, twiceAllowed: 0 },
      faults: [],
    },
  );
});

test('a 503 before it was taken is no copy', () => {
  const refused = taken({ status: 503, reason: 'ServiceUnavailable' });
  const judgement = judged({ record: [refused, taken()] });
  assert.equal(judgement.twiceAllowed, 0);
  assert.deepEqual(judgement.faults, []);
});

test('what is not as it should be is a fault', async (t) => {
  const rejected: Outcome = { ...told, status: 'rejected', reason: 'Unregistered' };
  const cases: [name: string, evidence: Parameters<typeof judged>[0], fault: RegExp][] = [
    ['no receipt', { outcomes: [] }, /no receipt: its promise never settled/],
    [
      'an error',
      { outcomes: [{ ...told, status: 'failed', reason: 'DEADLINE' }] },
      /no receipt: DEADLINE/,
    ],
    ['two receipts', { outcomes: [told, told] }, /2 receipts/],
    ['accepted, never seen', { record: [] }, /said to be accepted, and Apple did not say so/],
    ['accepted, cut off', { record: [taken({ status: 0 })] }, /and Apple did not say so/],
    ['rejected, but taken', { outcomes: [rejected] }, /said to be rejected/],
    ['never taken', { record: [] }, /never took it/],
    [
      'another apns-id',
      { record: [taken({ status: 0 }), taken({ id: 'two' })] },
      /apns-ids one, two/,
    ],
    [
      'a copy without collapse id',
      { record: [taken({ status: 0 }), taken({ headers: {} })] },
      /collapse id is not its apns-id/,
    ],
    ["another one's payload", { record: [taken({ payload: payloadOf(1) })] }, /another one's/],
    ['a token nobody sent to', { record: [taken(), taken({ token: tokenOf(1) })] }, /never sent/],
    ['a receipt for nothing', { outcomes: [told, { ...told, number: 1 }] }, /told, never sent/],
  ];
  for (const [name, evidence, fault] of cases) {
    await t.test(name, () => assert.match(judged(evidence).faults.join('\n'), fault));
  }
});

test('a second copy is allowed only where the answer to the first was cut off', async (t) => {
  const killed = { lastConnection: 1, endedBy: 'SIGKILL', endedAt: 11_000 } as const;
  const terminated = { ...killed, endedBy: 'SIGTERM' } as const;
  const later = taken({ at: 12_000, connection: 2 });
  const cases: [
    name: string,
    allowed: boolean,
    record: RecordedRequest[],
    history: Partial<History>,
  ][] = [
    ['nothing happened', false, [taken(), later], {}],
    ['the first was reset or stalled', true, [taken({ status: 0 }), later], {}],
    ['the second was reset or stalled', false, [taken(), { ...later, status: 0 }], {}],
    ['the daemon was killed', true, [taken(), later], { lives: [killed] }],
    [
      'the daemon was killed, and both came before it',
      false,
      [taken(), taken({ at: 10_500 })],
      { lives: [killed] },
    ],
    [
      'the daemon was killed before both',
      false,
      [taken({ connection: 2 }), later],
      { lives: [killed] },
    ],
    [
      'the daemon was killed, and a third came of nothing',
      false,
      [taken(), later, later],
      { lives: [killed] },
    ],
    ['the daemon was told to end', false, [taken(), later], { lives: [terminated] }],
    [
      'the daemon was told to end while the way was closed',
      true,
      [taken(), later],
      { lives: [terminated], disturbances: [{ from: 10_500, to: 12_000 }] },
    ],
    [
      'the way was closed during the attempt, and then the daemon was told to end',
      true,
      [taken(), later],
      { lives: [terminated], disturbances: [{ from: 9000, to: 9001 }] },
    ],
    [
      'the way was closed long before',
      false,
      [taken(), later],
      { lives: [terminated], disturbances: [{ from: 8000, to: 8999 }] },
    ],
    [
      'the way was closed after the daemon had ended',
      false,
      [taken(), later],
      { lives: [terminated], disturbances: [{ from: 11_001, to: 12_000 }] },
    ],
    [
      'the way was closed, and the daemon lived',
      false,
      [taken(), later],
      { disturbances: [{ from: 9000, to: 11_000 }] },
    ],
    [
      'the connection was cut right after it',
      true,
      [taken(), later],
      { hangUps: [{ connection: 1, at: 10_001 }] },
    ],
    [
      'the connection was cut long after it',
      false,
      [taken(), taken({ at: 20_000 })],
      { hangUps: [{ connection: 1, at: 15_001 }] },
    ],
    [
      'the connection was cut after both',
      false,
      [taken(), taken({ at: 10_500 })],
      { hangUps: [{ connection: 1, at: 10_501 }] },
    ],
    [
      'another connection was cut',
      false,
      [taken(), later],
      { hangUps: [{ connection: 2, at: 10_001 }] },
    ],
  ];
  for (const [name, allowed, record, history] of cases) {
    await t.test(name, () => {
      const { twiceAllowed, twiceForbidden, faults } = judged({ record, history });
      assert.deepEqual([twiceAllowed, twiceForbidden], allowed ? [1, 0] : [0, 1]);
      assert.equal(faults.length, allowed ? 0 : 1);
    });
  }
});
