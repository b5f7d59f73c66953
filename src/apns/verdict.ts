/** What an outcome means: Apple's statuses and reasons, each with its reaction, in one table. Source: Apple, "Handling notification responses from APNs". */
import {
  type ApnsdError,
  ApnsUnavailableError,
  CredentialsError,
  ExpiredError,
  InvalidArgumentError,
  OverloadedError,
} from '../errors.js';
import { harmless } from './harmless.js';
import type { Outcome, Response, Silence } from './sender.js';

/** Apple's last word, or an error; with `repeat` the same request may go out again. */
export type Verdict =
  | { kind: 'accepted'; uniqueId?: string }
  | { kind: 'rejected'; reason: string; httpStatus: number; unregisteredAt?: number }
  | FailedVerdict;

export interface FailedVerdict {
  kind: 'failed';
  error: ApnsdError;
  repeat?: Repeat;
}

/** How a request may go out again. */
export interface Repeat {
  /** No earlier than that, in milliseconds; 0 where Apple named no time. */
  afterMs: number;
  /** The connection not to use again. */
  avoid?: number;
  /** With another provider token, at once, and only one time. */
  signAgain?: boolean;
  /** `afterMs` is for the service: nothing else is to reach it sooner either. */
  ofService?: boolean;
}

type Reaction = [
  meaning: 'rejected' | 'credentials' | 'our bug' | 'unavailable',
  then: 'final' | 'repeat' | 'repeat as all' | 'repeat elsewhere' | 'sign again',
];

/** By status, and by status and reason where one reason differs from the others of its status. */
const reactions: ReadonlyMap<string, Reaction> = new Map<string, Reaction>([
  ['400', ['rejected', 'final']],
  ['400 IdleTimeout', ['unavailable', 'repeat elsewhere']],
  ['403', ['credentials', 'final']],
  ['403 ExpiredProviderToken', ['credentials', 'sign again']],
  ['403 UnrelatedKeyIdInToken', ['credentials', 'repeat elsewhere']],
  ['404', ['our bug', 'final']],
  ['405', ['our bug', 'final']],
  ['410', ['rejected', 'final']],
  ['413', ['rejected', 'final']],
  ['429', ['unavailable', 'repeat']],
  ['500', ['unavailable', 'repeat elsewhere']],
  ['503', ['unavailable', 'repeat as all']],
  ['503 Shutdown', ['unavailable', 'repeat elsewhere']],
]);
const unknownStatus: Reaction = ['unavailable', 'repeat'];

/** With nothing more to say. */
export const plainlyAccepted: Verdict = Object.freeze({ kind: 'accepted' });

export function verdictOn(outcome: Outcome): Verdict {
  if (outcome.kind !== 'response') return verdictOnSilence(outcome);
  if (outcome.status !== 200) return verdictOnRefusal(outcome);
  const uniqueId = outcome.headers['apns-unique-id'];
  if (uniqueId === undefined) return plainlyAccepted;
  return { kind: 'accepted', uniqueId: harmless(uniqueId, MAX_TEXT_LENGTH) };
}

function verdictOnSilence({ cause, retryAt = 0 }: Silence): Verdict {
  // It would meet the same again.
  const final = [OverloadedError, InvalidArgumentError, ExpiredError];
  if (final.some((kind) => cause instanceof kind)) {
    return { kind: 'failed', error: cause as ApnsdError };
  }
  const afterMs = Math.max(retryAt - performance.now(), 0);
  return { kind: 'failed', error: unavailable(cause), repeat: { afterMs } };
}

function verdictOnRefusal({ status, headers, body, connection }: Response): Verdict {
  const { reason = '', timestamp } = parseBody(body);
  const [meaning, then] =
    reactions.get(`${status} ${reason}`) ?? reactions.get(`${status}`) ?? unknownStatus;
  if (meaning === 'rejected') {
    const rejected: Verdict = { kind: 'rejected', reason, httpStatus: status };
    if (status === 410 && timestamp !== undefined) rejected.unregisteredAt = timestamp;
    return rejected;
  }
  const error = errorFor(meaning, `Apple answered ${status} ${reason}`.trimEnd());
  const afterMs = retryAfterMs(headers['retry-after']);
  switch (then) {
    case 'final':
      return { kind: 'failed', error };
    case 'repeat':
      return { kind: 'failed', error, repeat: { afterMs } };
    case 'repeat as all':
      return { kind: 'failed', error, repeat: { afterMs, ofService: afterMs > 0 } };
    case 'repeat elsewhere':
      return { kind: 'failed', error, repeat: { afterMs, avoid: connection } };
    case 'sign again':
      return { kind: 'failed', error, repeat: { afterMs, signAgain: true } };
  }
}

function errorFor(meaning: 'credentials' | 'our bug' | 'unavailable', said: string): ApnsdError {
  switch (meaning) {
    case 'credentials':
      return new CredentialsError(said);
    case 'our bug':
      return new InvalidArgumentError(said);
    case 'unavailable':
      return unavailable(new Error(said));
  }
}

export function unavailable(cause: Error): ApnsdError {
  return new ApnsUnavailableError(`no answer from APNs: ${cause.message}`, { cause });
}

/** The header is in seconds or a date; anything else is taken as no header: the back-off goes on growing. */
function retryAfterMs(header = ''): number {
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms > 0 ? ms : 0;
}

/** Apple's reasons are half as long, a UUID has 36 characters. */
const MAX_TEXT_LENGTH = 64;
/** The last year of four digits, beyond which XML-RPC has no dates; times there are taken as none. */
const TIMESTAMPS_END = Date.UTC(9999, 0);

function parseBody(body: string): { reason?: string; timestamp?: number } {
  try {
    const { reason, timestamp } = Object(JSON.parse(body));
    return {
      ...(typeof reason === 'string' && { reason: harmless(reason, MAX_TEXT_LENGTH) }),
      ...(Number.isSafeInteger(timestamp) &&
        timestamp >= 0 &&
        timestamp < TIMESTAMPS_END && { timestamp }),
    };
  } catch {
    // Not JSON: a proxy's page, say. The status alone decides.
    return {};
  }
}
