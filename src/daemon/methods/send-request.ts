/** Reads the JSON text of `apnsd.send`. */
import { ApnsdError, InvalidArgumentError } from '../../errors.js';
import { type CheckedNotification, checkNotification } from '../../notification/check.js';
import type { SendNotification, SendRequest } from '../../rpc/methods.js';
import { show } from './parameters.js';

/** A notification and its receivers; one that did not pass stands as its error. */
export interface SendGroup {
  notification: CheckedNotification | ApnsdError;
  /** Of the call's time, where these have less. */
  timeoutMs: number | undefined;
  /** Neither is checked yet. */
  to: [token: unknown, id: unknown][];
}

interface SendCall {
  timeoutMs: number;
  brief: boolean;
  groups: SendGroup[];
  /** Of all groups. */
  receivers: number;
}

/** What another process wrote: the fields that are due, each of any kind. */
type Written<T> = Partial<Record<keyof T, unknown>>;

const maxTimeoutMs = 10 * 60 * 1000;
/** Each takes an answer, and they are all worked at in one go: a client sends some hundred. */
const maxReceivers = 20_000;

/**
 * What is wrong with one notification is left to that one.
 * @throws InvalidArgumentError where the text as a whole can't be read
 */
export function readSendRequest(text: string): SendCall {
  const { timeoutMs, brief = false, notifications }: Written<SendRequest> = Object(parse(text));
  const ofCall = readTimeout('timeoutMs', timeoutMs);
  if (typeof brief !== 'boolean') {
    throw new InvalidArgumentError(`brief is ${show(brief)}, expected true or false`);
  }
  if (!Array.isArray(notifications)) {
    throw new InvalidArgumentError(`notifications is ${show(notifications)}, expected a list`);
  }
  const groups = notifications.map((written, position): SendGroup => {
    const { to, timeoutMs: ofGroup, ...rest }: Written<SendNotification> = Object(written);
    if (!Array.isArray(to) || !to.every(Array.isArray)) {
      throw new InvalidArgumentError(
        `notifications[${position}].to is ${show(to)}, expected a list of [token, id]`,
      );
    }
    if (to.length === 0) {
      throw new InvalidArgumentError(
        `notifications[${position}].to is empty, expected at least one [token, id]`,
      );
    }
    const own =
      ofGroup === undefined
        ? undefined
        : readTimeout(`notifications[${position}].timeoutMs`, ofGroup);
    return { notification: read(rest), timeoutMs: own, to: to as [unknown, unknown][] };
  });
  const receivers = groups.reduce((count, { to }) => count + to.length, 0);
  if (receivers > maxReceivers) {
    throw new InvalidArgumentError(
      `there are ${receivers} receivers, expected at most ${maxReceivers} in one call`,
    );
  }
  return { timeoutMs: ofCall, brief, groups, receivers };
}

function readTimeout(name: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= maxTimeoutMs) return value;
  throw new InvalidArgumentError(
    `${name} is ${show(value)}, expected milliseconds up to ${maxTimeoutMs}`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('request is not JSON, expected { timeoutMs, notifications }');
  }
}

function read(written: Record<string, unknown>): CheckedNotification | ApnsdError {
  try {
    const { expiration } = written;
    if (typeof expiration !== 'number' || expiration === 0) return checkNotification(written);
    return checkNotification({ ...written, expiration: new Date(Math.round(expiration * 1000)) });
  } catch (error) {
    if (error instanceof ApnsdError) return error;
    throw error;
  }
}
