/** What an app is told of a notification. */
import { ApnsUnavailableError, ProtocolError } from '../../errors.js';
import { errorOfCode } from '../../rpc/faults.js';
import { PLAINLY_ACCEPTED, type WrittenAnswer } from '../../rpc/methods.js';
import { show } from '../../validation.js';

/** Apple's answer. "Accepted" is by APNs: whether and when a device shows it, nobody is told. */
export type Receipt = AcceptedReceipt | RejectedReceipt | SubmittedReceipt;

export interface AcceptedReceipt {
  status: 'accepted';
  token: string;
  /** The apns-id: a UUID, in lower case. */
  id: string;
  /** How often the client sent it to the daemon. */
  attempts: number;
  /** Sandbox only: the id under which Apple's console shows the notification. */
  uniqueId?: string;
}

/** Apple's final no to this notification. */
export interface RejectedReceipt {
  status: 'rejected';
  token: string;
  id: string;
  attempts: number;
  /** Apple's word, for example `BadDeviceToken`. */
  reason: string;
  /** 400, 410 or 413. */
  httpStatus: number;
  /** True for Unregistered and ExpiredToken only: the app is gone from that device, and the token can be deleted. */
  tokenIsDead: boolean;
  /** Since when, where Apple said so. */
  unregisteredAt?: Date;
}

/** The daemon took it, and that is all there is to know: it has only pyapns's methods, which give no receipts. */
export interface SubmittedReceipt {
  status: 'submitted';
  token: string;
  /** Known to this client only. */
  id: string;
  attempts: number;
}

const deadReasons = new Set(['Unregistered', 'ExpiredToken']);

/** The receipt where Apple has answered this notification; {@link expectPending} says what else it may be. */
export function receiptOf(
  answer: WrittenAnswer,
  { token, id }: { token: string; id: string },
  attempts: number,
): Receipt | undefined {
  if (answer === PLAINLY_ACCEPTED) return { status: 'accepted', token, id, attempts };
  // What a daemon answers is not known to be an object.
  if (answer?.id !== id) return undefined;
  if (answer.status === 'accepted') {
    const { uniqueId } = answer;
    if (typeof uniqueId !== 'string') return { status: 'accepted', token, id, attempts };
    return { status: 'accepted', token, id, attempts, uniqueId };
  }
  if (answer.status !== 'rejected') return undefined;
  const { reason, httpStatus } = answer;
  if (typeof reason !== 'string' || typeof httpStatus !== 'number') return undefined;
  const unregisteredAt = dateOf(answer.unregisteredAt);
  return {
    status: 'rejected',
    token,
    id,
    attempts,
    reason,
    httpStatus,
    tokenIsDead: deadReasons.has(reason),
    ...(unregisteredAt && { unregisteredAt }),
  };
}

/** Undefined where no Date can say it. */
function dateOf(ms: unknown): Date | undefined {
  if (typeof ms !== 'number') return undefined;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/**
 * Why there is no receipt yet.
 * @throws ApnsdError where an answer without a receipt is not that Apple's is still to come
 */
export function expectPending(answer: WrittenAnswer, id: string): ApnsUnavailableError {
  // What a daemon answers is not known to be an object.
  const written: Record<string, unknown> = Object(answer);
  if (written.id !== id) throw new ProtocolError('apnsd.send answered for another notification');
  const { status, code, message } = written;
  if (status === 'pending') {
    const why = typeof message === 'string' ? message : 'Apple has not answered yet';
    return new ApnsUnavailableError(why);
  }
  if (status !== 'failed') {
    const what =
      status === 'rejected' ? 'rejected without reason and httpStatus' : `status ${show(status)}`;
    throw new ProtocolError(`apnsd.send answered ${what}`);
  }
  if (typeof code !== 'string' || typeof message !== 'string') {
    throw new ProtocolError('apnsd.send answered failed without code and message');
  }
  throw errorOfCode(code, message);
}
