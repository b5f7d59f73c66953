/** What XML-RPC can carry, and how its scalar types are read. */

/** A struct has no prototype, so that a member named `__proto__` or `constructor` is like any other. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Date
  | Uint8Array
  | Value[]
  | { [name: string]: Value };

interface Scalar {
  /** The value of an element's text; undefined where the text is not of the type. */
  read(text: string): Value | undefined;
  expected: string;
}

const nil: Scalar = {
  expected: 'nothing',
  read: (text) => (text.trim() === '' ? null : undefined),
};
const boolean: Scalar = { expected: '0 or 1', read: readBoolean };
const integer: Scalar = { expected: 'an integer', read: readInteger };
const double: Scalar = { expected: 'a finite number', read: readDouble };
const string: Scalar = { expected: 'text', read: (text) => text };
const date: Scalar = { expected: 'a date such as 20240229T23:59:59', read: readDate };
const base64: Scalar = { expected: 'base64 with its padding', read: readBase64 };

/** By tag; those with `ex:` are Apache's extensions. */
export const scalars: ReadonlyMap<string, Scalar> = new Map([
  ['string', string],
  ['int', integer],
  ['i4', integer],
  ['boolean', boolean],
  ['double', double],
  ['dateTime.iso8601', date],
  ['base64', base64],
  ['nil', nil],
  ['i1', integer],
  ['i2', integer],
  ['i8', integer],
  ['ex:nil', nil],
  ['ex:i1', integer],
  ['ex:i2', integer],
  ['ex:i4', integer],
  ['ex:i8', integer],
  ['ex:float', double],
]);

function readBoolean(text: string): boolean | undefined {
  const digit = text.trim();
  if (digit === '1') return true;
  return digit === '0' ? false : undefined;
}

const INTEGER = /^[+-]?[0-9]+$/;
/** Every integer of so many digits is exact as a number, and so are some longer ones. */
const EXACT_DIGITS = 15;

/**
 * A longer integer that a number would not show again is a string of its sign and digits, as written: Perl's
 * RPC::XML sends a device token that happens to have digits only as `<int>`, and its leading zeros count.
 */
function readInteger(text: string): number | string | undefined {
  const written = text.trim();
  if (!INTEGER.test(written)) return undefined;
  const signs = written.startsWith('-') || written.startsWith('+') ? 1 : 0;
  // Adding 0 makes 0 of -0: integers have but one zero.
  const value = Number(written) + 0;
  if (written.length - signs <= EXACT_DIGITS) return value;
  return Number.isSafeInteger(value) && String(value) === written ? value : written;
}

const DOUBLE = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/** Takes exponents too: XML-RPC has none, but Python, Ruby and npm xmlrpc send them. */
function readDouble(text: string): number | undefined {
  const written = text.trim();
  const value = DOUBLE.test(written) ? Number(written) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

const DATE =
  /^(\d{4})-?(\d\d)-?(\d\d)T([01]\d|2[0-3]):?([0-5]\d):?([0-5]\d)(?:[.,](\d+))?(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/;

/** Without a zone the daemon's local time, as pyapns and most clients mean it. */
function readDate(text: string): Date | undefined {
  const parts = DATE.exec(text.trim());
  if (!parts) return undefined;
  const [, year, month, day, hours, minutes, seconds, fraction = '0', utc, offset, rest = '00'] =
    parts;
  const zone = utc ?? (offset ? `${offset}:${rest}` : '');
  const value = new Date(
    `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.${fraction.slice(0, 3)}${zone}`,
  );
  // JavaScript takes 30 February for 1 March.
  const inMonth = Number(day) <= daysOf(Number(year), Number(month));
  return inMonth && !Number.isNaN(value.getTime()) ? value : undefined;
}

function daysOf(year: number, month: number): number {
  // Date.UTC takes years below 100 for 19xx; the Gregorian calendar repeats after 400 years.
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}

const BASE64 = /^[A-Za-z0-9+/ \t\n]*(?:=[ \t\n]*){0,2}$/;
const SPACE = 0x20;

function readBase64(text: string): Uint8Array | undefined {
  if (!BASE64.test(text)) return undefined;
  let digits = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text.charCodeAt(at) > SPACE) digits += 1;
  }
  return digits % 4 === 0 ? Buffer.from(text, 'base64') : undefined;
}
