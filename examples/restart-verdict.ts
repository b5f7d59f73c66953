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
  const rejected = new Map<string, number>();
  const counts = { accepted: 0, healed: 0, repeats: 0, lost: 0, seenTwice: 0, otherId: 0 };
  const faults: string[] = [];

  for (const push of pushes) {
    const blame = (what: string) => faults.push(`…${push.token.slice(-6)}: ${what}`);
    const reported = told.get(push.token) ?? [];
    const recorded = seen.get(push.token) ?? [];
    const receipts = reported.flatMap((report) => ('receipt' in report ? [report.receipt] : []));
    if (reported.length > 1) blame(`the app was told ${reported.length} times`);

    const [receipt] = receipts;
    const taken = recorded.some(({ status }) => status === 200);
    if (!receipt || (receipt.status === 'accepted' && !taken)) counts.lost += 1;
    if (!receipt) {
      const [report] = reported;
      blame(`no receipt: ${report && 'error' in report ? report.error : 'no word from the app'}`);
    } else {
      if (receipt.attempts > 1) counts.healed += 1;
      counts.repeats += receipt.attempts - 1;
      if (receipt.status === 'accepted') {
        counts.accepted += 1;
        if (!taken) blame('accepted, and Apple never saw it');
      } else if (receipt.status === 'rejected') {
        rejected.set(receipt.reason, (rejected.get(receipt.reason) ?? 0) + 1);
        blame(`rejected: ${receipt.reason}`);
      }
    }

    if (recorded.length > 1) counts.seenTwice += 1;
    const ids = new Set([...receipts, ...recorded].map(({ id }) => id));
    if (ids.size > 1) {
      counts.otherId += 1;
      blame(`it has ${ids.size} apns-ids`);
    }
    if (recorded.some(({ payload }) => !isDeepStrictEqual(payload, payloadOf(push)))) {
      blame('Apple got another payload');
    }
  }
  const known = new Set(pushes.map(({ token }) => token));
  for (const token of [...told.keys(), ...seen.keys()]) {
    if (!known.has(token)) faults.push(`…${token.slice(-6)}: nobody sent to it`);
  }

  const reasons = [...rejected].map(([reason, count]) => ({ name: `rejected: ${reason}`, count }));
  const ids = counts.otherId === 0 ? 'under one and the same apns-id' : 'see below';
  return {
    rows: [
      { name: 'sent', count: pushes.length },
      { name: 'accepted', count: counts.accepted },
      ...(reasons.length > 0 ? reasons : [{ name: 'rejected', count: 0 }]),
      { name: 'healed', count: counts.healed, note: 'took more than one attempt' },
      { name: 'repeats', count: counts.repeats, note: 'attempts beyond the first' },
      { name: 'lost', count: counts.lost, note: 'no receipt, or Apple never saw it' },
      { name: 'seen twice by Apple', count: counts.seenTwice, note: ids },
    ],
    faults,
  };
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
