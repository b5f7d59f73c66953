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

const hexPairs = /^(?:[0-9a-f]{2})+$/i;

/** Adds to what is wrong, as {@link readId} does. */
export function readToken(token: unknown, wrong: string[]): string {
  if (typeof token !== 'string') {
    wrong.push(`token is ${kindOf(token)}, expected a string of hex digits`);
    return '';
  }
  const digits = token.replace(/[\s<>]/g, '');
  if (!hexPairs.test(digits)) {
    const odd = digits.length % 2 === 0 ? 'not all hex digits' : `${digits.length} characters long`;
    const what = digits === '' ? 'empty' : odd;
    wrong.push(`token ${maskToken(digits)} is ${what}, expected pairs of hex digits`);
  }
  return digits.toLowerCase();
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function readId(id: unknown, wrong: string[]): string {
  if (typeof id === 'string' && uuid.test(id)) return id.toLowerCase();
  wrong.push(`id is ${show(id)}, expected a UUID`);
  return '';
}
