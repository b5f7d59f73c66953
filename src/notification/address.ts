/** Whom a notification is for, and the name it goes by: device token and apns-id. */
import { InvalidArgumentError } from '../errors.js';
import { kindOf, show } from './show.js';

/**
 * A device token as lower-case hex; spaces and `<>`, as people paste them, are taken off.
 * @throws InvalidArgumentError
 */
export function checkToken(token: unknown): string {
  return only(readToken, token);
}

/**
 * An apns-id in its canonical, lower-case form.
 * @throws InvalidArgumentError
 */
export function checkId(id: unknown): string {
  return only(readId, id);
}

/** A token as it may be logged: its last 6 characters. */
export function maskToken(token: string): string {
  return `…${token.slice(-6)}`;
}

function only(read: (value: unknown, wrong: string[]) => string, value: unknown): string {
  const wrong: string[] = [];
  const result = read(value, wrong);
  if (wrong.length > 0) throw new InvalidArgumentError(wrong.join('; '));
  return result;
}

/** By a table: whether the next of random digits is a letter, no processor guesses, and each wrong guess of a pattern's costs. */
const hexDigits = new Uint8Array(128);
for (const digit of '0123456789abcdef') hexDigits[digit.charCodeAt(0)] = 1;

function countHexDigits(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) count += hexDigits[text.charCodeAt(at)] ?? 0;
  return count;
}

/** In hex digits. Apple's are 64 to some 200, and it says not to count on that; what is longer than a header may be is none. */
const maxTokenLength = 1024;
const hexPairs = /^(?:[0-9a-f]{2})+$/i;

/** Adds to what is wrong, as {@link readId} does. */
export function readToken(token: unknown, wrong: string[]): string {
  if (typeof token !== 'string') {
    wrong.push(`token is ${kindOf(token)}, expected a string of hex digits`);
    return '';
  }
  const isPlain = token.length > 0 && token.length % 2 === 0 && token.length <= maxTokenLength;
  if (isPlain && countHexDigits(token) === token.length) return token;
  const digits = token.replace(/[\s<>]/g, '');
  if (digits.length > maxTokenLength) {
    const what = `${digits.length} characters long`;
    wrong.push(`token ${maskToken(digits)} is ${what}, expected at most ${maxTokenLength}`);
    return '';
  }
  if (!hexPairs.test(digits)) {
    const odd = digits.length % 2 === 0 ? 'not all hex digits' : `${digits.length} characters long`;
    const what = digits === '' ? 'empty' : odd;
    wrong.push(`token ${maskToken(digits)} is ${what}, expected pairs of hex digits`);
  }
  return digits.toLowerCase();
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function readId(id: unknown, wrong: string[]): string {
  if (typeof id === 'string') {
    if (isPlainUuid(id)) return id;
    if (uuid.test(id)) return id.toLowerCase();
  }
  wrong.push(`id is ${show(id)}, expected a UUID`);
  return '';
}

const dash = '-'.charCodeAt(0);

/** With dashes in its four places, the other 32 are the digits. */
function isPlainUuid(id: string): boolean {
  return (
    id.length === 36 &&
    id.charCodeAt(8) === dash &&
    id.charCodeAt(13) === dash &&
    id.charCodeAt(18) === dash &&
    id.charCodeAt(23) === dash &&
    countHexDigits(id) === 32
  );
}
