/** Checks a notification before it is sent, on the client and once more on the daemon; one error says all that is wrong. */
import { InvalidArgumentError } from '../errors.js';
import { readId, readToken } from './address.js';
import { encodePayload } from './encode.js';
import { expired, readExpiration } from './expiration.js';
import { newId } from './new-id.js';
import { inferPushType, isPushType, type PushType, pushTypes, rulesOf } from './push-type.js';
import { checkRequirements } from './requirements.js';
import { kindOf, show } from './show.js';

/** A notification that passed, in the form in which it goes to Apple. */
export interface CheckedNotification {
  /** The payload as JSON text. */
  body: string;
  pushType: PushType;
  topic?: string | undefined;
  priority?: number | undefined;
  /** UNIX seconds, with a fraction; 0 is "try once, don't store". */
  expiration?: number | undefined;
  /** Null is the author's word that there shall be none. */
  collapseId?: string | null | undefined;
}

/** A notification and the device it is for. */
export interface Addressed {
  /** Lower-case hex. */
  token: string;
  /** The apns-id, in lower case. */
  id: string;
  notification: CheckedNotification;
}

/**
 * Takes a notification to one device, as its author wrote it.
 * @param wrong what is known to be wrong already
 * @throws InvalidArgumentError with every reason; ExpiredError
 */
export function checkAddressed(
  token: unknown,
  notification: object,
  wrong: string[] = [],
): Addressed {
  const id: unknown = Reflect.get(notification, 'id') ?? undefined;
  const addressed = {
    token: readToken(token, wrong),
    id: id === undefined ? newId() : readId(id, wrong),
    notification: readNotification(notification, wrong),
  };
  refuse(wrong, addressed.notification);
  return addressed;
}

/**
 * Takes a notification as an author or another process wrote it.
 * @throws InvalidArgumentError with every reason; ExpiredError
 */
export function checkNotification(notification: object): CheckedNotification {
  const wrong: string[] = [];
  const checked = readNotification(notification, wrong);
  refuse(wrong, checked);
  return checked;
}

function refuse(wrong: string[], { expiration }: CheckedNotification): void {
  if (wrong.length > 0) throw new InvalidArgumentError(wrong.join('; '));
  const tooLate = expired(expiration);
  if (tooLate) throw tooLate;
}

const names = new Set([
  'payload',
  'pushType',
  'topic',
  'priority',
  'expiration',
  'collapseId',
  'id',
]);

function readNotification(notification: object, wrong: string[]): CheckedNotification {
  // Not by Object.keys, which makes a list: there may be fifty thousand of them a second.
  for (const name in notification) {
    if (names.has(name) || !Object.hasOwn(notification, name)) continue;
    const known = [...names].join(', ');
    wrong.push(`${name.slice(0, 40)} is no field of a notification, expected ${known}`);
  }
  const fields = notification as Record<string, unknown>;
  const payload = readPayload(fields.payload, wrong);
  const pushType = readPushType(fields.pushType, payload ?? {}, wrong);
  return {
    body: payload ? readBody(payload, pushType, wrong) : '',
    pushType,
    priority: readPriority(fields.priority, pushType, wrong),
    topic: readTopic(fields.topic, wrong),
    expiration: readExpiration(fields.expiration, wrong),
    collapseId: readCollapseId(fields.collapseId, wrong),
  };
}

/** What `.apns` files tell Apple's simulator; no device needs it. */
const simulatorTarget = 'Simulator Target Bundle';

function readPayload(payload: unknown, wrong: string[]): object | undefined {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  if (!isObject || 'toJSON' in payload) {
    const what = isObject ? 'an object with a toJSON' : kindOf(payload);
    wrong.push(`payload is ${what}, expected an object such as { aps: { alert } }`);
    return undefined;
  }
  if (!(simulatorTarget in payload)) return payload;
  const { [simulatorTarget]: _, ...sent } = payload;
  return sent;
}

function readPushType(pushType: unknown, payload: object, wrong: string[]): PushType {
  if (isPushType(pushType)) return pushType;
  if (pushType !== undefined) {
    wrong.push(`pushType is ${show(pushType)}, expected one of ${pushTypes.join(', ')}`);
  }
  return inferPushType(payload);
}

function readBody(payload: object, pushType: PushType, wrong: string[]): string {
  const body = encodePayload(payload, wrong);
  if (body === '') return body;
  const { maxPayloadBytes } = rulesOf(pushType);
  const bytes = Buffer.byteLength(body);
  if (bytes > maxPayloadBytes) {
    const most = `at most ${maxPayloadBytes} for push type ${pushType}`;
    wrong.push(`payload is ${bytes} bytes, expected ${most}`);
  }
  checkRequirements(pushType, payload, wrong);
  return body;
}

function readPriority(priority: unknown, pushType: PushType, wrong: string[]): number | undefined {
  const { priorities, defaultPriority } = rulesOf(pushType);
  if (priority === undefined) return defaultPriority;
  if (!priorities.includes(priority as number)) {
    const legal = priorities.join(', ');
    wrong.push(`priority is ${show(priority)}, expected ${legal} for push type ${pushType}`);
  }
  return priority as number;
}

/** A bundle id has at most 155, and a suffix some 30. */
const maxTopicLength = 255;

function readTopic(topic: unknown, wrong: string[]): string | undefined {
  if (topic === undefined) return undefined;
  if (typeof topic === 'string' && topic.length > maxTopicLength) {
    wrong.push(`topic is ${topic.length} characters long, expected at most ${maxTopicLength}`);
  } else if (typeof topic !== 'string' || !/^[\x21-\x7e]+$/.test(topic)) {
    wrong.push(`topic is ${show(topic)}, expected a bundle id`);
  }
  return topic as string | undefined;
}

const maxCollapseIdBytes = 64;
/** What a header can carry: no control characters or lone surrogates, no space at either end. */
const headerText = /^(?! )[^\p{Cc}\p{Cs}]+(?<! )$/u;

function readCollapseId(collapseId: unknown, wrong: string[]): string | null | undefined {
  if (collapseId === undefined || collapseId === null) return collapseId;
  const bytes = typeof collapseId === 'string' ? Buffer.byteLength(collapseId) : 0;
  const isText = typeof collapseId === 'string' && headerText.test(collapseId);
  if (isText && bytes <= maxCollapseIdBytes) return collapseId;
  const what = isText ? `${bytes} bytes` : show(collapseId);
  wrong.push(`collapseId is ${what}, expected text of 1 to ${maxCollapseIdBytes} bytes, or null`);
  return undefined;
}
