import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Receipt } from 'apnsd';
import type { RecordedRequest } from 'apnsd/testing';
import { judge, type Push, type Report } from '../../examples/restart-verdict.js';

const push: Push = { token: 'aa'.repeat(32), message: 'Your table is ready', badge: 0 };
const { token } = push;
const id = '3f0e5b6c-6f8e-4c2a-9d5d-0a1b2c3d4e5f';
const otherId = 'b2a7c1d0-1111-4222-8333-444455556666';

function told(receipt: Partial<Receipt> = {}): Report {
  return { token, receipt: { status: 'accepted', token, id, attempts: 1, ...receipt } as Receipt };
}

function seen(request: Partial<RecordedRequest> = {}): RecordedRequest {
  const payload = { aps: { alert: 'Your table is ready', badge: 0 } };
  const rest = { at: 0, connection: 1, topic: 'com.example.app', headers: {}, reason: null };
  return { ...rest, token, id, payload, status: 200, ...request };
}

const nothing = {
  sent: 1,
  accepted: 1,
  rejected: 0,
  healed: 0,
  repeats: 0,
  lost: 0,
  'seen twice by Apple': 0,
};

const cases: {
  name: string;
  reports: Report[];
  record: RecordedRequest[];
  counts: Record<string, number>;
  fault?: RegExp;
}[] = [
  { name: 'accepted and seen once is well', reports: [told()], record: [seen()], counts: nothing },
  {
    name: 'a repeat under its own id is well',
    reports: [told({ attempts: 3 })],
    record: [seen(), seen()],
    counts: { ...nothing, healed: 1, repeats: 2, 'seen twice by Apple': 1 },
  },
  {
    name: 'a repeat under another id is not',
    reports: [told({ attempts: 2 })],
    record: [seen({ id: otherId }), seen()],
    counts: { ...nothing, healed: 1, repeats: 1, 'seen twice by Apple': 1 },
    fault: /2 apns-ids/,
  },
  {
    name: 'a receipt with an id that Apple never saw is not well',
    reports: [told({ id: otherId })],
    record: [seen()],
    counts: nothing,
    fault: /2 apns-ids/,
  },
  {
    name: 'accepted and never seen is lost',
    reports: [told()],
    record: [],
    counts: { ...nothing, lost: 1 },
    fault: /Apple never saw it/,
  },
  {
    name: 'seen and then cut off is not yet taken',
    reports: [told()],
    record: [seen({ status: 0 })],
    counts: { ...nothing, lost: 1 },
    fault: /Apple never saw it/,
  },
  {
    name: 'no word from the app is lost, whatever Apple saw',
    reports: [],
    record: [seen()],
    counts: { ...nothing, accepted: 0, lost: 1 },
    fault: /no receipt: no word from the app/,
  },
  {
    name: 'an error is lost',
    reports: [{ token, error: 'DeadlineError: no success' }],
    record: [],
    counts: { ...nothing, accepted: 0, lost: 1 },
    fault: /no receipt: DeadlineError/,
  },
  {
    name: 'two receipts are one too many',
    reports: [told(), told()],
    record: [seen()],
    counts: nothing,
    fault: /told 2 times/,
  },
  {
    name: 'rejected is told by its reason',
    reports: [told({ status: 'rejected', reason: 'BadDeviceToken' })],
    record: [seen({ status: 400 })],
    counts: (({ rejected: _, ...rest }) => ({
      ...rest,
      accepted: 0,
      'rejected: BadDeviceToken': 1,
    }))(nothing),
    fault: /rejected: BadDeviceToken/,
  },
  {
    name: 'another payload is noticed',
    reports: [told()],
    record: [seen({ payload: { aps: { alert: 'Your table is ready' } } })],
    counts: nothing,
    fault: /another payload/,
  },
  {
    name: 'another device is noticed',
    reports: [told()],
    record: [seen(), seen({ token: 'bb'.repeat(32) })],
    counts: nothing,
    fault: /…bbbbbb: nobody sent to it/,
  },
];

for (const { name, reports, record, counts, fault } of cases) {
  test(`the demo's verdict: ${name}`, () => {
    const { rows, faults } = judge([push], reports, record);
    const counted = Object.fromEntries(rows.map((row) => [row.name, row.count]));
    assert.deepEqual(counted, counts);
    if (fault) assert.match(faults.join('\n'), fault);
    else assert.deepEqual(faults, []);
  });
}
