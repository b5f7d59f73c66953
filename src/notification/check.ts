/** Checks a notification before it is sent, on the client and once more on the daemon; one error says all that is wrong. */
import { InvalidArgumentError } from '../errors.js';
import { inferPushType, isPushType, type PushType, pushTypes, rulesOf } from './push-type.js';

/** A notification that passed, in the form in which it goes to Apple. */
export interface CheckedNotification {
  /** The payload as JSON text. */
  body: string;
  pushType: PushType;
  topic?: string;
  priority?: number;
  /** UNIX seconds; 0 is "try once, don't store". */
  expiration?: number;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const hexPairs = /^(?:[0-9a-f]{2})+$/i;

/** A device token as lower-case hex; spaces and `<>`, as people paste them, are taken off. */
export function checkToken(token: unknown): string {
  if (typeof token !== 'string') {
    throw new InvalidArgumentError(`token is ${kindOf(token)}, expected a string of hex digits`);
  }
  const digits = token.replace(/[\s<>]/g, '');
  if (hexPairs.test(digits)) return digits.toLowerCase();
  const wrong = digits.length % 2 === 0 ? 'not all hex digits' : `${digits.length} characters long`;
  throw new InvalidArgumentError(
    `token ${maskToken(digits)} is ${digits === '' ? 'empty' : wrong}, expected pairs of hex digits`,
  );
}

/** A token as it may be logged: its last 6 characters. */
export function maskToken(token: string): string {
  return `…${token.slice(-6)}`;
}

/** An apns-id in its canonical, lower-case form. */
export function checkId(id: unknown): string {
  if (typeof id === 'string' && uuid.test(id)) return id.toLowerCase();
  throw new InvalidArgumentError(`id is ${show(id)}, expected a UUID`);
}

/**
 * Takes a notification as an author or another process wrote it.
 * @throws InvalidArgumentError with every reason
 */
export function checkNotification(notification: object): CheckedNotification {
  const { payload, pushType, topic, priority, expiration } = notification as Record<
    string,
    unknown
  >;
  const wrong: string[] = [];

  const unknownNames = Object.keys(notification).filter((name) => !names.has(name));
  for (const name of unknownNames) {
    wrong.push(
      `${name.slice(0, 40)} is no field of a notification, expected ${[...names].join(', ')}`,
    );
  }
  const body = encodePayload(payload, wrong);
  if (pushType !== undefined && !isPushType(pushType)) {
    wrong.push(`pushType is ${show(pushType)}, expected ${pushTypes.join(' or ')}`);
  }
  const type = isPushType(pushType) ? pushType : inferPushType(Object(payload));
  const rules = rulesOf(type);
  if (priority !== undefined && !rules.priorities.includes(priority as number)) {
    const legal = rules.priorities.join(', ');
    wrong.push(`priority is ${show(priority)}, expected ${legal} for push type ${type}`);
  }
  const bytes = Buffer.byteLength(body);
  if (bytes > rules.maxPayloadBytes) {
    wrong.push(
      `payload is ${bytes} bytes, expected at most ${rules.maxPayloadBytes} for push type ${type}`,
    );
  }
  if (topic !== undefined && (typeof topic !== 'string' || !/^[\x21-\x7e]+$/.test(topic))) {
    wrong.push(`topic is ${show(topic)}, expected a bundle id`);
  }
  const seconds = expirationSeconds(expiration, wrong);
  if (wrong.length > 0) throw new InvalidArgumentError(wrong.join('; '));

  const checked: CheckedNotification = { body, pushType: type };
  const checkedPriority = (priority as number | undefined) ?? rules.defaultPriority;
  if (topic !== undefined) checked.topic = topic as string;
  if (checkedPriority !== undefined) checked.priority = checkedPriority;
  if (seconds !== undefined) checked.expiration = seconds;
  return checked;
}

const names = new Set(['payload', 'pushType', 'topic', 'priority', 'expiration', 'id']);

function encodePayload(payload: unknown, wrong: string[]): string {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    wrong.push(`payload is ${kindOf(payload)}, expected an object such as { aps: { alert } }`);
    return '';
  }
  try {
    const body = JSON.stringify(payload, refuseWhatJsonLoses);
    // A `toJSON` of its own can make anything of it: a Date, say, is a string.
    if (body?.startsWith('{')) return body;
    wrong.push('payload is no object as JSON, expected an object such as { aps: { alert } }');
  } catch (error) {
    wrong.push(`payload can't be written as JSON: ${(error as Error).message.split('\n')[0]}`);
  }
  return '';
}

function refuseWhatJsonLoses(name: string, value: unknown): unknown {
  const lost =
    (typeof value === 'number' && !Number.isFinite(value) && String(value)) ||
    (['function', 'symbol', 'bigint'].includes(typeof value) && `a ${typeof value}`);
  if (lost) throw new TypeError(`${name} is ${lost}, which JSON does not have`);
  return value;
}

function expirationSeconds(expiration: unknown, wrong: string[]): number | undefined {
  if (expiration === undefined || expiration === 0) return expiration;
  if (expiration instanceof Date && !Number.isNaN(expiration.getTime())) {
    return Math.floor(expiration.getTime() / 1000);
  }
  const shown = expiration instanceof Date ? 'an invalid Date' : show(expiration);
  wrong.push(`expiration is ${shown}, expected a Date, or 0 for "try once, don't store"`);
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}

/** A UUID is shown whole, a device token is not. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return typeof value === 'object' || typeof value === 'function' ? kindOf(value) : String(value);
}
