/** What came of the demo: what the app was told of each push, held against what Apple saw of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Receipt } from 'apnsd';
import type { RecordedRequest } from 'apnsd/testing';

/** A line of messages.jsonl, and the device it goes to. */
export interface Push {
  token: string;
  message: string;
  badge?: number;
  sound?: string;
}

/** What the app was told of one push. */
export type Report = { token: string } & ({ receipt: Receipt } | { error: string });

export interface Verdict {
  rows: { name: string; count: number; note?: string }[];
  /** All that must not be; empty where nothing was lost, doubled or changed. */
  faults: string[];
}

export function judge(pushes: Push[], reports: Report[], record: RecordedRequest[]): Verdict {
  const told = byToken(reports);
  const seen = byToken(record);
  const found = pushes.map((push) =>
    judgeOne(push, told.get(push.token) ?? [], seen.get(push.token) ?? []),
  );
  const faults = found.flatMap((one) => one.faults);
  const known = new Set(pushes.map(({ token }) => token));
  for (const token of [...told.keys(), ...seen.keys()]) {
    if (!known.has(token)) faults.push(`${shown(token)}: nobody sent to it`);
  }

  const count = (holds: (one: Found) => boolean) => found.filter(holds).length;
  const reasons = [...new Set(found.flatMap(({ rejected }) => rejected ?? []))].map((reason) => ({
    name: `rejected: ${reason}`,
    count: count(({ rejected }) => rejected === reason),
  }));
  const otherId = count(({ ids }) => ids > 1) > 0;
  return {
    rows: [
      { name: 'sent', count: pushes.length },
      { name: 'accepted', count: count(({ accepted }) => accepted) },
      ...(reasons.length > 0 ? reasons : [{ name: 'rejected', count: 0 }]),
      {
        name: 'healed',
        count: count(({ repeats }) => repeats > 0),
        note: 'took more than one attempt',
      },
      {
        name: 'repeats',
        count: found.reduce((sum, { repeats }) => sum + repeats, 0),
        note: 'attempts beyond the first',
      },
      { name: 'lost', count: count(({ lost }) => lost), note: 'no receipt, or Apple never saw it' },
      {
        name: 'seen twice by Apple',
        count: count(({ requests }) => requests > 1),
        note: otherId ? 'see below' : 'under one and the same apns-id',
      },
    ],
    faults,
  };
}

/** What became of one push. */
interface Found {
  accepted: boolean;
  /** Apple's reason, where it said no. */
  rejected: string | undefined;
  lost: boolean;
  repeats: number;
  /** How many requests Apple saw, and under how many ids. */
  requests: number;
  ids: number;
  faults: string[];
}

function judgeOne(push: Push, reported: Report[], recorded: RecordedRequest[]): Found {
  const receipts = reported.flatMap((report) => ('receipt' in report ? [report.receipt] : []));
  const [receipt] = receipts;
  const accepted = receipt?.status === 'accepted';
  const rejected = receipt?.status === 'rejected' ? receipt.reason : undefined;
  const unseen = accepted && !recorded.some(({ status }) => status === 200);
  const ids = new Set([...receipts, ...recorded].map(({ id }) => id)).size;
  const faults: [blame: boolean, what: string][] = [
    [reported.length > 1, `the app was told ${reported.length} times`],
    [receipt === undefined, `no receipt: ${errorIn(reported[0])}`],
    [unseen, 'accepted, and Apple never saw it'],
    [rejected !== undefined, `rejected: ${rejected}`],
    [ids > 1, `it has ${ids} apns-ids`],
    [
      recorded.some(({ payload }) => !isDeepStrictEqual(payload, payloadOf(push))),
      'Apple got another payload',
    ],
  ];
  return {
    accepted,
    rejected,
    lost: receipt === undefined || unseen,
    repeats: (receipt?.attempts ?? 1) - 1,
    requests: recorded.length,
    ids,
    faults: faults.flatMap(([blame, what]) => (blame ? [`${shown(push.token)}: ${what}`] : [])),
  };
}

function errorIn(report: Report | undefined): string {
  return report && 'error' in report ? report.error : 'no word from the app';
}

function shown(token: string): string {
  return `…${token.slice(-6)}`;
}

function byToken<T extends { token: string }>(items: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.token);
    if (group) group.push(item);
    else groups.set(item.token, [item]);
  }
  return groups;
}

/** As it should arrive: what the push has not, the payload has not either. */
function payloadOf({ message, badge, sound }: Push): unknown {
  return JSON.parse(JSON.stringify({ aps: { alert: message, badge, sound } }));
}
