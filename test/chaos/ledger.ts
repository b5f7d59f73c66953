/** The judgement: what the app was told of each notification, held against what Apple saw of it. */
import type { Receipt } from 'apnsd';
import type { RecordedRequest } from 'apnsd/testing';

/** What the app was told of one notification. */
export interface Outcome {
  number: number;
  status: Receipt['status'] | 'failed';
  /** The apns-id, where the app was told it. */
  id?: string;
  /** Why it was not accepted. */
  reason?: string;
  /** From the call to its end. */
  ms: number;
}

/** A span of time, UNIX milliseconds. */
export interface Span {
  from: number;
  to: number;
}

/** One life of the daemon that is over, from its start to the end that it was given. */
export interface Life {
  /** The last of the simulator's connections that were its own. */
  lastConnection: number;
  endedBy: 'SIGKILL' | 'SIGTERM';
  /** UNIX milliseconds. */
  endedAt: number;
}

/** Apple cut this connection on command. */
export interface HangUp {
  connection: number;
  /** UNIX milliseconds. */
  at: number;
}

/** What was done to the processes and to the way between them. */
export interface History {
  /** In order. */
  lives: Life[];
  hangUps: HangUp[];
  /** When answers could not reach the app: the proxy closed or silent, or the daemon stopped. */
  disturbances: Span[];
  /** How long an attempt of the app lasts at most. */
  timeoutMs: number;
}

export interface Evidence {
  /** Their numbers go from 0 to below this. */
  sent: number;
  outcomes: Outcome[];
  /** In order. */
  record: RecordedRequest[];
  history: History;
}

export interface Judgement {
  sent: number;
  accepted: number;
  rejected: number;
  /** The app was told an error, or nothing. */
  failed: number;
  /** Apple never took it. */
  missing: number;
  /** Apple took it more than once, and the daemon could not know. */
  twiceAllowed: number;
  twiceForbidden: number;
  /** Of those accepted. */
  medianMs: number;
  p99Ms: number;
  longestMs: number;
  /** All that must not be. */
  faults: string[];
}

/** A connection that is cut takes with it the answers that the daemon, stopped maybe, has not read yet. */
const unreadMs = 5000;

export function tokenOf(number: number): string {
  return number.toString(16).padStart(64, '0');
}

export function payloadOf(number: number) {
  return { aps: { alert: `Number ${number}` }, number };
}

export function judge({ sent, outcomes, record, history }: Evidence): Judgement {
  const told = groupBy(outcomes, ({ number }) => number);
  const seen = groupBy(record, ({ token }) => token);
  const accepted = outcomes.filter(({ status }) => status === 'accepted');
  const times = accepted.map(({ ms }) => ms).sort((a, b) => a - b);
  const judgement: Judgement = {
    sent,
    accepted: accepted.length,
    rejected: outcomes.filter(({ status }) => status === 'rejected').length,
    failed: 0,
    missing: 0,
    twiceAllowed: 0,
    twiceForbidden: 0,
    medianMs: times[Math.floor(times.length / 2)] ?? 0,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
    longestMs: times.at(-1) ?? 0,
    faults: [],
  };
  for (let number = 0; number < sent; number += 1) {
    const blame = (what: string) => judgement.faults.push(`number ${number}: ${what}`);
    const token = tokenOf(number);
    judgeOne(told.get(number) ?? [], seen.get(token) ?? [], history, judgement, blame);
    told.delete(number);
    seen.delete(token);
  }
  for (const number of told.keys()) judgement.faults.push(`number ${number}: told, never sent`);
  for (const token of seen.keys()) judgement.faults.push(`token ${token}: seen, never sent`);
  return judgement;
}

function judgeOne(
  outcomes: Outcome[],
  records: RecordedRequest[],
  history: History,
  counts: Judgement,
  blame: (what: string) => void,
): void {
  const [outcome] = outcomes;
  if (outcomes.length > 1) blame(`it has ${outcomes.length} receipts`);
  if (!outcome || outcome.status === 'failed') {
    counts.failed += 1;
    blame(`it has no receipt: ${outcome?.reason ?? 'its promise never settled'}`);
  } else if (!records.some(({ status, reason }) => confirms(outcome, status, reason))) {
    blame(`it is said to be ${outcome.status}, and Apple did not say so`);
  }

  const copies = records.filter(wasTaken);
  if (copies.length === 0 && outcome?.status !== 'rejected') {
    counts.missing += 1;
    blame('Apple never took it');
  }
  const ids = new Set(records.map(({ id }) => id));
  if (outcome?.id !== undefined) ids.add(outcome.id);
  if (ids.size > 1) blame(`it has the apns-ids ${[...ids].join(', ')}`);
  if (records.some(({ headers, id }) => headers['apns-collapse-id'] !== id)) {
    blame('its collapse id is not its apns-id, so that copies do not show as one');
  }
  if (records.some(({ payload, token }) => tokenOf(numberIn(payload)) !== token)) {
    blame("it has another one's payload");
  }

  if (copies.length < 2) return;
  const wrong = copies.find((copy, at) => {
    const next = copies[at + 1];
    return next && !mayBeRepeated(copy, next, history);
  });
  if (!wrong) {
    counts.twiceAllowed += 1;
    return;
  }
  counts.twiceForbidden += 1;
  blame(`Apple took it ${copies.length} times: ${copies.map(shown).join(', ')}`);
}

/** Whether Apple's answer is what the app was told. */
function confirms({ status, reason }: Outcome, answer: number, said: string | null): boolean {
  return status === 'accepted' ? answer === 200 : answer !== 200 && said === reason;
}

/** Status 0: recorded, then cut off on command. With any other but 200 Apple said that it did not take it. */
function wasTaken({ status }: RecordedRequest): boolean {
  return status === 200 || status === 0;
}

/** Whether the answer to this copy was lost in a way that no daemon could know of, so that Apple may see the next one. */
function mayBeRepeated(copy: RecordedRequest, next: RecordedRequest, history: History): boolean {
  if (copy.status === 0) return true;
  const cutWithIt = history.hangUps.some(
    ({ connection, at }) =>
      connection === copy.connection && at - copy.at <= unreadMs && next.at >= at,
  );
  if (cutWithIt) return true;

  // As long as the daemon lives, a repeat joins the first: whatever happened to the way, one copy it is.
  const life = lifeOf(copy, history);
  const ended = history.lives[life];
  if (!ended || lifeOf(next, history) === life) return false;
  if (ended.endedBy === 'SIGKILL') return true;
  // Before SIGTERM ends it, it writes all answers. They are lost only where the app's attempt met a disturbance; and
  // that can be as much older than the record as an attempt lasts.
  return history.disturbances.some(
    ({ from, to }) => to >= copy.at - history.timeoutMs && from <= ended.endedAt,
  );
}

/** The position of the life whose connection it was. */
function lifeOf({ connection }: RecordedRequest, { lives }: History): number {
  const position = lives.findIndex(({ lastConnection }) => connection <= lastConnection);
  return position < 0 ? lives.length : position;
}

function groupBy<K, T>(items: T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

function numberIn(payload: unknown): number {
  const { number } = Object(payload);
  return typeof number === 'number' ? number : -1;
}

function shown({ at, connection, status }: RecordedRequest): string {
  return `at ${at} on connection ${connection} with status ${status}`;
}
