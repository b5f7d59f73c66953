/** Writes `apnsd.send` and reads its answer as a receipt. */
import { ProtocolError } from '../errors.js';
import type { Addressed } from '../notification/check.js';
import { errorOfCode } from '../rpc/faults.js';
import { escapeForXml } from '../rpc/json.js';

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

/** The daemon is told to answer this much earlier than we stop listening. */
const marginMs = 1000;
const deadReasons = new Set(['Unregistered', 'ExpiredToken']);

/** The request as JSON text, but for the time that an attempt has. */
export function encodeSend({
  token,
  id,
  notification: { body, ...fields },
}: Addressed): (timeoutMs: number) => string {
  const rest = JSON.stringify({ ...fields, to: [[token, id]] });
  // The payload was encoded when it was checked; it is not encoded again.
  const notification = escapeForXml(`{"payload":${body},${rest.slice(1)}`);
  return (timeoutMs) => {
    const left = Math.ceil(Math.max(timeoutMs - marginMs, timeoutMs / 2));
    return `{"timeoutMs":${left},"notifications":[${notification}]}`;
  };
}

/**
 * @returns 'pending' where the daemon goes on and is to be asked again, by the same request
 * @throws ApnsdError for a notification without Apple's answer
 */
export function readAnswer(
  text: unknown,
  token: string,
  id: string,
  attempts: number,
): Receipt | 'pending' {
  const answer = parse(text);
  if (answer.id !== id) throw new ProtocolError('apnsd.send answered for another notification');
  const common = { token, id, attempts };
  switch (answer.status) {
    case 'accepted': {
      const { uniqueId } = answer;
      return { status: 'accepted', ...common, ...(uniqueId !== undefined && { uniqueId }) };
    }
    case 'rejected': {
      const { reason, httpStatus, unregisteredAt } = answer;
      return {
        status: 'rejected',
        ...common,
        reason,
        httpStatus,
        tokenIsDead: deadReasons.has(reason),
        ...(unregisteredAt !== undefined && { unregisteredAt: new Date(unregisteredAt) }),
      };
    }
    case 'pending':
      return 'pending';
    case 'failed':
      throw errorOfCode(answer.code, answer.message);
    default:
      throw new ProtocolError(`apnsd.send answered status ${JSON.stringify(answer.status)}`);
  }
}

function parse(text: unknown) {
  try {
    const [answer, ...more] = JSON.parse(String(text));
    if (typeof answer === 'object' && answer !== null && more.length === 0) return answer;
  } catch {
    // Falls through: what it answered is not shown, since it may be anything.
  }
  throw new ProtocolError('apnsd.send answered no JSON list of one answer');
}
