/** The daemon's writing of XML-RPC answers, in the plainest XML there is: some clients know no other. */
import type { Fault } from './faults.js';
import type { Value } from './value.js';

export interface EncodeOptions {
  /**
   * Which clock dates show; XML-RPC's dates name no zone and no fractions of a second.
   *
   * @default 'local', as in pyapns
   */
  time?: 'local' | 'utc';
}

/** A whole document, in UTF-8. Throws TypeError for what XML-RPC cannot carry: NaN, infinities, `undefined`. */
export function encodeAnswer(value: Value, options: EncodeOptions = {}): string {
  const param = encodeValue(value, options.time ?? 'local');
  return `<?xml version="1.0"?>\n<methodResponse><params><param>${param}</param></params></methodResponse>\n`;
}

/** A whole document, in UTF-8. `faultCode` comes first: some clients look no further. */
export function encodeFault(fault: Fault): string {
  const { faultCode, message: faultString } = fault;
  const struct = encodeValue({ faultCode, faultString }, 'local');
  return `<?xml version="1.0"?>\n<methodResponse><fault>${struct}</fault></methodResponse>\n`;
}

function encodeValue(value: Value, time: 'local' | 'utc'): string {
  return `<value>${encodeTyped(value, time)}</value>`;
}

function encodeTyped(value: Value, time: 'local' | 'utc'): string {
  if (typeof value === 'string') return `<string>${escaped(value)}</string>`;
  if (typeof value === 'number') return encodeNumber(value);
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (value === null) return '<nil/>';
  if (Array.isArray(value)) {
    let values = '';
    for (const item of value) values += encodeValue(item, time);
    return `<array><data>${values}</data></array>`;
  }
  if (value instanceof Date) return encodeDate(value, time);
  if (value instanceof Uint8Array) return encodeBytes(value);
  if (typeof value === 'object') return encodeStruct(value, time);
  throw new TypeError(`found a value of type ${typeof value}, expected one that XML-RPC has`);
}

function encodeStruct(struct: { [name: string]: Value }, time: 'local' | 'utc'): string {
  let members = '';
  for (const [name, value] of Object.entries(struct)) {
    members += `<member><name>${escaped(name)}</name>${encodeValue(value, time)}</member>`;
  }
  return `<struct>${members}</struct>`;
}

function encodeBytes({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return `<base64>${Buffer.from(buffer, byteOffset, byteLength).toString('base64')}</base64>`;
}

function encodeNumber(value: number): string {
  if (value === (value | 0)) return `<int>${value}</int>`;
  if (Number.isFinite(value)) return `<double>${decimal(value)}</double>`;
  throw new TypeError(`found the number ${value}, expected a finite one`);
}

/** The shortest digits that read as the same number; XML-RPC wants a point and knows no exponents. */
function decimal(value: number): string {
  const shortest = String(value);
  const [mantissa = '', exponent] = shortest.split('e');
  if (exponent === undefined) return shortest.includes('.') ? shortest : `${shortest}.0`;
  if (Number(exponent) > 0) return `${BigInt(value)}.0`;
  const zeros = '0'.repeat(-Number(exponent) - 1);
  return `${value < 0 ? '-' : ''}0.${zeros}${mantissa.replace(/[-.]/g, '')}`;
}

function encodeDate(date: Date, time: 'local' | 'utc'): string {
  // What a clock in UTC shows when it is ahead by the zone's offset.
  const offsetMs = time === 'utc' ? 0 : date.getTimezoneOffset() * 60_000;
  const shown = new Date(date.getTime() - offsetMs);
  const year = shown.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) {
    throw new TypeError('found a date that is invalid or has no year of four digits, expected one');
  }
  const text = shown.toISOString().slice(0, 19).replaceAll('-', '');
  return `<dateTime.iso8601>${text}</dateTime.iso8601>`;
}

// With the flag `u` a surrogate matches only where it stands alone.
// biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none of them, not even as references.
const SPECIAL = /[\0-\x08\x0b-\x1f&<>\ud800-\udfff\ufffe\uffff]/gu;

/** A CR that is not written as a reference would be read as LF. */
const escapes: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['\r', '&#13;'],
]);

function escaped(text: string): string {
  return text.replace(SPECIAL, (character) => escapes.get(character) ?? '\ufffd');
}
