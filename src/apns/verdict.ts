/** What an outcome means: Apple's statuses and reasons, each with its reaction, in one table. Source: Apple, "Handling notification responses from APNs". */
import {
  type ApnsdError,
  ApnsUnavailableError,
  CredentialsError,
  InvalidArgumentError,
  OverloadedError,
} from '../errors.js';
import type { Outcome, Response } from './sender.js';

/** Apple's last word, or an error; with `repeatAfterMs` the same request may go out again, no earlier than that. */
export type Verdict =
  | { kind: 'accepted'; uniqueId?: string }
  | { kind: 'rejected'; reason: string; httpStatus: number; unregisteredAt?: number }
  | { kind: 'failed'; error: ApnsdError; repeatAfterMs?: number };

type Reaction = 'reject' | 'credentials' | 'our bug' | 'back off';

const reactions: ReadonlyMap<number, Reaction> = new Map([
  [400, 'reject'],
  [403, 'credentials'],
  [404, 'our bug'],
  [405, 'our bug'],
  [410, 'reject'],
  [413, 'reject'],
  [429, 'back off'],
  [500, 'back off'],
  [503, 'back off'],
]);

/** Reasons whose reaction is not their status's. */
const exceptions: ReadonlyMap<string, Reaction> = new Map([
  ['IdleTimeout', 'back off'],
  ['ExpiredProviderToken', 'back off'],
  ['UnrelatedKeyIdInToken', 'back off'],
]);

export function verdictOn(outcome: Outcome): Verdict {
  switch (outcome.kind) {
    case 'response':
      return verdictOnResponse(outcome);
    case 'unsent':
    case 'unknown':
      if (outcome.cause instanceof OverloadedError) return { kind: 'failed', error: outcome.cause };
      return noAnswer(outcome.cause, 0);
  }
}

function verdictOnResponse({ status, headers, body }: Response): Verdict {
  if (status === 200) {
    const uniqueId = headers['apns-unique-id'];
    return uniqueId === undefined ? { kind: 'accepted' } : { kind: 'accepted', uniqueId };
  }
  const { reason = '', timestamp } = parseBody(body);
  const said = `Apple answered ${status} ${reason}`.trimEnd();
  switch (exceptions.get(reason) ?? reactions.get(status) ?? 'back off') {
    case 'reject': {
      const rejected: Verdict = { kind: 'rejected', reason, httpStatus: status };
      if (status === 410 && timestamp !== undefined) rejected.unregisteredAt = timestamp;
      return rejected;
    }
    case 'credentials':
      return { kind: 'failed', error: new CredentialsError(said) };
    case 'our bug':
      return { kind: 'failed', error: new InvalidArgumentError(said) };
    case 'back off':
      return noAnswer(new Error(said), retryAfterMs(headers['retry-after']));
  }
}

function noAnswer(cause: Error, repeatAfterMs: number): Verdict {
  const error = new ApnsUnavailableError(`no answer from APNs: ${cause.message}`, { cause });
  return { kind: 'failed', error, repeatAfterMs };
}

/** The header's other form, a date, is taken as no header: the back-off goes on growing. */
function retryAfterMs(header = '0'): number {
  const seconds = Number(header);
  return seconds > 0 ? seconds * 1000 : 0;
}

function parseBody(body: string): { reason?: string; timestamp?: number } {
  try {
    const { reason, timestamp } = Object(JSON.parse(body));
    return {
      ...(typeof reason === 'string' && { reason }),
      ...(Number.isSafeInteger(timestamp) && { timestamp }),
    };
  } catch {
    // Not JSON: a proxy's page, say. The status alone decides.
    return {};
  }
}
