/** Writes `apnsd.send` for many notifications at once, and reads its list of answers. */
import { ProtocolError } from '../../errors.js';
import type { CheckedNotification } from '../../notification/check.js';
import type { Notification } from '../../notification/notification.js';
import type { WrittenAnswer } from '../../rpc/methods.js';

/** A notification that is ready to travel, to however many receivers. */
export interface EncodedNotification {
  /** As its author wrote it. */
  readonly written: Notification;
  readonly checked: CheckedNotification;
  /** JSON text of what goes beside the payload, a comma before each. */
  readonly fields: string;
}

/** What of a member is written. */
interface WrittenMember {
  readonly encoded: EncodedNotification;
  readonly token: string;
  readonly id: string;
  readonly deadline: number;
}

/** The daemon is told to answer this much earlier than we stop listening. */
const marginMs = 1000;

const fieldNames = ['pushType', 'priority', 'topic', 'expiration', 'collapseId'] as const;

/** The latest: an app's notifications are much alike, and one text does for all that wait. */
let latest: { checked: Partial<CheckedNotification>; fields: string } = { checked: {}, fields: '' };

export function encode(written: Notification, checked: CheckedNotification): EncodedNotification {
  if (!hasFieldsOf(latest.checked, checked)) latest = { checked, fields: fieldsOf(checked) };
  return { written, checked, fields: latest.fields };
}

function hasFieldsOf(one: Partial<CheckedNotification>, other: CheckedNotification): boolean {
  for (const name of fieldNames) if (one[name] !== other[name]) return false;
  return true;
}

function fieldsOf(checked: CheckedNotification): string {
  let fields = '';
  for (const name of fieldNames) {
    const value = checked[name];
    if (value !== undefined) fields += `,"${name}":${JSON.stringify(value)}`;
  }
  return fields;
}

/** Whether they are the same for their receivers. */
export function isSame(one: EncodedNotification, other: EncodedNotification): boolean {
  return one === other || (one.checked.body === other.checked.body && one.fields === other.fields);
}

/** Of the JSON text, without the receivers. */
export function lengthOf({ checked, fields }: EncodedNotification): number {
  return checked.body.length + fields.length;
}

/**
 * The request as JSON text. Neighbours with the same notification share its text.
 * @param timeoutMs what the request has
 */
export function encodeSend(members: readonly WrittenMember[], timeoutMs: number): string {
  const now = performance.now();
  let text = `{"timeoutMs":${daemonTimeoutMs(timeoutMs)},"brief":true,"notifications":[`;
  let open: { encoded: EncodedNotification; own: string } | undefined;
  for (const { encoded, token, id, deadline } of members) {
    const leftMs = deadline - now;
    const own = leftMs < timeoutMs ? `,"timeoutMs":${daemonTimeoutMs(leftMs)}` : '';
    // Hex and a UUID: nothing in them is to be escaped.
    const receiver = `["${token}","${id}"]`;
    if (open && open.own === own && isSame(open.encoded, encoded)) text += `,${receiver}`;
    else {
      // The payload was encoded when it was checked; it is not encoded again.
      const notification = `{"payload":${encoded.checked.body}${encoded.fields}${own}`;
      text += `${open ? ']},' : ''}${notification},"to":[${receiver}`;
      open = { encoded, own };
    }
  }
  return `${text}]}]}`;
}

/** In characters of JSON text; the longest that a daemon has to say is a failure's message. */
const maxAnswerLength = 8192;

/** One answer for each notification, in their order; what each says is not looked at. */
export function readAnswers(text: unknown, count: number): WrittenAnswer[] {
  try {
    // V8 takes seconds for some megabytes of brackets in brackets.
    const tooLong = String(text).length > count * maxAnswerLength;
    const answers: unknown = tooLong ? undefined : JSON.parse(String(text));
    if (Array.isArray(answers) && answers.length === count) return answers;
  } catch {
    // Falls through: what it answered is not shown, since it may be anything.
  }
  throw new ProtocolError(`apnsd.send answered no JSON list of ${count} answers`);
}

function daemonTimeoutMs(ms: number): number {
  return Math.max(1, Math.ceil(Math.max(ms - marginMs, ms / 2)));
}
