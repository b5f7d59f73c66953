/** What an app is told of a notification. */
import { ProtocolError } from '../errors.js';
import { errorOfCode } from '../rpc/faults.js';
import type { SendAnswer } from '../rpc/methods.js';

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

/**
 * The receipt of an answer; undefined where it is still to come.
 * @throws ApnsdError for a notification without Apple's answer
 */
export function receiptOf(
  answer: SendAnswer,
  token: string,
  id: string,
  attempts: number,
): Receipt | undefined {
  if (Object(answer).id !== id) {
    throw new ProtocolError('apnsd.send answered for another notification');
  }
  switch (answer.status) {
    case 'accepted': {
      const { uniqueId } = answer;
      if (uniqueId === undefined) return { status: 'accepted', token, id, attempts };
      return { status: 'accepted', token, id, attempts, uniqueId };
    }
    case 'rejected': {
      const { reason, httpStatus, unregisteredAt } = answer;
      return {
        status: 'rejected',
        token,
        id,
        attempts,
        reason,
        httpStatus,
        tokenIsDead: deadReasons.has(reason),
        ...(unregisteredAt !== undefined && { unregisteredAt: new Date(unregisteredAt) }),
      };
    }
    case 'failed':
      throw errorOfCode(answer.code, answer.message);
    case 'pending':
      return undefined;
    default:
      throw new ProtocolError(
        `apnsd.send answered status ${JSON.stringify(Object(answer).status)}`,
      );
  }
}
