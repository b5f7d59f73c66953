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

/** Bounds what is written: is told of each piece before more is made. */
export interface Room {
  /** Throws where there is no room for so many bytes more. */
  take(bytes: number): void;
  giveBack(bytes: number): void;
}

const boundless: Room = { take: () => undefined, giveBack: () => undefined };

/** XML that is written already. */
export class Written {
  /** Buffers are in UTF-8, each of some size. */
  readonly pieces: readonly (string | Buffer)[];
  readonly bytes: number;

  constructor(pieces: readonly (string | Buffer)[], bytes: number) {
    this.pieces = pieces;
    this.bytes = bytes;
  }
}

/** A list of short items that are made as they are written: however many, they never stand in memory together. */
export class Listing {
  readonly items: Iterable<Value>;
  /** About: room for all is taken once it is known how long the first is. */
  readonly length: number;

  constructor(items: Iterable<Value>, length: number) {
    this.items = items;
    this.length = length;
  }
}

/** What can be written: values, and parts that are written already, or not made yet. */
export type Writable = Value | Written | Listing | Writable[] | { [name: string]: Writable };

type Branch = Listing | Writable[] | { [name: string]: Writable };

/**
 * Writes XML. A string that grows by concatenation takes several times its length: whatever is longer than a piece
 * goes into buffers, which can be sent, and freed, one by one.
 */
export class XmlWriter {
  static readonly pieceLength = 64 * 1024;
  /** So much is left as text: cheaper to make and to send, but dear to keep. */
  static readonly shortLength = 8 * 1024;
  readonly #time: 'local' | 'utc';
  readonly #room: Room;
  readonly #pieces: (string | Buffer)[] = [];
  #bytes = 0;
  #text = '';
  /** Bytes, of the text and what follows it, that have their room already. */
  #paid: number;
  #taken = 0;

  /** @param reserved bytes that have their room already; what is left of them at the end is given back */
  constructor(time: 'local' | 'utc' = 'local', room: Room = boundless, reserved = 0) {
    this.#time = time;
    this.#room = room;
    this.#paid = reserved;
  }

  markup(text: string): void {
    this.#text += text;
  }

  /**
   * Stops whenever a piece is full, for whoever lets others work meanwhile; to go on to the end is all it takes.
   * Throws TypeError for what XML-RPC cannot carry: NaN, infinities, `undefined`.
   */
  *value(value: Writable): Generator<void, void> {
    if (!this.#leaf(value)) yield* this.#branch(value as Branch);
    if (this.#full()) yield;
  }

  end(): Written {
    const text = this.#text;
    if (text.length > XmlWriter.shortLength) this.#flush();
    else if (text !== '') this.#add(text, Buffer.byteLength(text));
    this.#room.giveBack(this.#paid);
    this.#paid = 0;
    return new Written(this.#pieces, this.#bytes);
  }

  /** Gives back the room that it took, and what it wrote, for nobody. */
  drop(): readonly (string | Buffer)[] {
    this.#room.giveBack(this.#taken);
    this.#taken = 0;
    return this.#pieces;
  }

  *#branch(branch: Branch): Generator<void, void> {
    if (branch instanceof Listing) {
      this.#text += '<value><array><data>';
      const start = this.#text.length;
      let rest = branch.length - 1;
      for (const item of branch.items) {
        this.#short(item);
        if (rest > 0) this.#reserve(rest * (this.#text.length - start));
        rest = 0;
        if (this.#full()) yield;
      }
      this.#text += '</data></array></value>';
      return;
    }
    if (Array.isArray(branch)) {
      this.#text += '<value><array><data>';
      for (const item of branch) {
        if (!this.#leaf(item)) yield* this.#branch(item as Branch);
        if (this.#full()) yield;
      }
      this.#text += '</data></array></value>';
      return;
    }
    this.#text += '<value><struct>';
    for (const [name, member] of Object.entries(branch)) {
      this.#text += `<member><name>${escaped(name)}</name>`;
      if (!this.#leaf(member)) yield* this.#branch(member as Branch);
      this.#text += '</member>';
      if (this.#full()) yield;
    }
    this.#text += '</struct></value>';
  }

  /** Without a stop, which costs as much as the writing. */
  #short(value: Value): void {
    if (this.#leaf(value)) return;
    if (Array.isArray(value)) {
      this.#text += '<value><array><data>';
      for (const item of value) this.#short(item);
      this.#text += '</data></array></value>';
      return;
    }
    const struct = value as { [name: string]: Value };
    this.#text += '<value><struct>';
    for (const name of Object.keys(struct)) {
      this.#text += `<member><name>${escaped(name)}</name>`;
      this.#short(struct[name] as Value);
      this.#text += '</member>';
    }
    this.#text += '</struct></value>';
  }

  /** Writes what has no values in it. */
  #leaf(value: Writable): boolean {
    if (value instanceof Written) {
      this.#splice(value);
      return true;
    }
    const scalar = encodeScalar(value as Value, this.#time);
    if (scalar === undefined) return false;
    this.#text += `<value>${scalar}</value>`;
    return true;
  }

  #splice({ pieces }: Written): void {
    for (const piece of pieces) {
      if (typeof piece === 'string') {
        this.#text += piece;
        this.#paid += Buffer.byteLength(piece);
      } else {
        this.#flush();
        this.#paid += piece.length;
        this.#add(piece, piece.length);
      }
    }
  }

  #full(): boolean {
    if (this.#text.length < XmlWriter.pieceLength) return false;
    this.#flush();
    return true;
  }

  #flush(): void {
    if (this.#text === '') return;
    const piece = Buffer.from(this.#text);
    this.#add(piece, piece.length);
  }

  #add(piece: string | Buffer, bytes: number): void {
    const more = Math.max(bytes - this.#paid, 0);
    this.#room.take(more);
    this.#taken += more;
    this.#paid -= bytes - more;
    this.#pieces.push(piece);
    this.#bytes += bytes;
    this.#text = '';
  }

  /** Better none of a long list than the most of it, in vain. */
  #reserve(bytes: number): void {
    this.#room.take(bytes);
    this.#taken += bytes;
    this.#paid += bytes;
  }
}

const answerStart = '<?xml version="1.0"?>\n<methodResponse><params><param>';
const answerEnd = '</param></params></methodResponse>\n';

/** A whole document, in as many steps as {@link XmlWriter.value}. */
export function* writeAnswer(writer: XmlWriter, value: Writable): Generator<void, void> {
  writer.markup(answerStart);
  yield* writer.value(value);
  writer.markup(answerEnd);
}

/** A whole document, in UTF-8. Throws TypeError for what XML-RPC cannot carry: NaN, infinities, `undefined`. */
export function encodeAnswer(value: Value, options: EncodeOptions = {}): string {
  const writer = new XmlWriter(options.time);
  for (const _ of writeAnswer(writer, value));
  return writer.end().pieces.join('');
}

/** A whole document, in UTF-8. `faultCode` comes first: some clients look no further. */
export function encodeFault({ faultCode, message: faultString }: Fault): string {
  const writer = new XmlWriter();
  for (const _ of writer.value({ faultCode, faultString }));
  const struct = writer.end().pieces.join('');
  return `<?xml version="1.0"?>\n<methodResponse><fault>${struct}</fault></methodResponse>\n`;
}

/** Undefined for what has values in it. */
function encodeScalar(value: Value, time: 'local' | 'utc'): string | undefined {
  if (typeof value === 'string') return `<string>${escaped(value)}</string>`;
  if (typeof value === 'number') return encodeNumber(value);
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (value === null) return '<nil/>';
  if (value instanceof Date) return encodeDate(value, time);
  if (value instanceof Uint8Array) return encodeBytes(value);
  if (typeof value === 'object') return undefined;
  throw new TypeError(`found a value of type ${typeof value}, expected one that XML-RPC has`);
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
