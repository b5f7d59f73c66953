/** HPACK (RFC 7541) as this client needs it: it decodes with a table of 0, and encodes with the peer's. */
import { Breach } from './frames.js';
import { decodeHuffman } from './huffman.js';

/** RFC 7541, Appendix A; the first entry has index 1. */
const staticTable: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** Each entry of a header list counts as its name, its value and this much (RFC 7541, section 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Reads one block after the other, header by header. Nothing is kept between blocks: our table has no room. */
export class HeaderReader {
  name = '';
  value = '';
  /** Where the value's string stands; at its end for a header that the static table has whole. */
  valueAt = 0;
  /** Where the next header begins. */
  at = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #mayResize = true;

  open(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
    this.#mayResize = true;
  }

  /** For who knows where a value stands. @throws Breach (COMPRESSION_ERROR) */
  readValue(bytes: Buffer, valueAt: number, end: number): string {
    this.open(bytes, valueAt, end);
    return this.#string();
  }

  /** Like {@link readValue}, for a value that nobody asks for. */
  skipValue(bytes: Buffer, valueAt: number, end: number): number {
    this.open(bytes, valueAt, end);
    const length = this.#integer(0x7f);
    this.at += length;
    return length;
  }

  /** Sets name and value; false at the end. @throws Breach (COMPRESSION_ERROR) */
  next(): boolean {
    while (this.at < this.#end) {
      const first = this.#bytes.readUInt8(this.at);
      if (first < 0x20 || first >= 0x40) {
        this.#read(first);
        return true;
      }
      if (!this.#mayResize) throw broken('a table size update stands after a header');
      const size = this.#integer(0x1f);
      if (size > 0) throw broken(`a table of ${size} bytes came where 0 is allowed`);
    }
    return false;
  }

  #read(first: number): void {
    this.#mayResize = false;
    if (first >= 0x80) {
      const [name, value] = staticEntry(this.#integer(0x7f));
      this.name = name;
      this.value = value;
      this.valueAt = this.at;
      return;
    }
    // With a table of 0, "with indexing" adds nothing: all literals are read alike.
    const index = this.#integer(first >= 0x40 ? 0x3f : 0x0f);
    this.name = index === 0 ? this.#string() : staticEntry(index)[0];
    this.valueAt = this.at;
    this.value = this.#string();
  }

  /** RFC 7541, section 5.1. Four bytes are far more than any of our limits needs. */
  #integer(mask: number): number {
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw broken('an integer is too large');
  }

  #string(): string {
    const huffman = this.at < this.#end && this.#bytes.readUInt8(this.at) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.at;
    this.at += length;
    if (this.at > this.#end) throw broken('a string is longer than its block');
    if (huffman) return decodeHuffman(this.#bytes, start, this.at);
    return this.#bytes.toString('latin1', start, this.at);
  }

  #byte(): number {
    if (this.at >= this.#end) throw broken('the block ends inside a header');
    return this.#bytes.readUInt8(this.at++);
  }
}

function staticEntry(index: number): readonly [string, string] {
  const entry = staticTable[index - 1];
  if (!entry) throw broken(`index ${index} is not in the static table, and ours is empty`);
  return entry;
}

function broken(message: string): Breach {
  return new Breach('COMPRESSION_ERROR', message);
}

/** Our side of the table is no larger than the default, however much the peer allows: our constants need 1 KiB. */
const MAX_TABLE_BYTES = 4096;

/** A full table is emptied no oftener than this, in blocks: values that keep changing cost bytes, not the table. */
const BLOCKS_BETWEEN_FLUSHES = 1000;

/** Another value each time, or nearly: they would push the constants out of the table. */
const changing = new Set([
  ':path',
  'content-length',
  'apns-id',
  'apns-request-id',
  'apns-collapse-id',
  'apns-expiration',
  'apns-channel-id',
]);

interface KnownName {
  /** In the static table; 0: not there. */
  index: number;
  changes: boolean;
  /** Value -> index, for what the static table holds whole. */
  constants: ReadonlyMap<string, number>;
  /** Value -> how many entries were added to our table before it. */
  positions: Map<string, number>;
}

/**
 * Encodes requests. Entries are only added while there is room, so that none is ever evicted:
 * when the table is full or the peer's size changes, it is emptied by a size update to 0 and back.
 */
export class HeaderEncoder {
  readonly #names = new Map<string, KnownName>();
  #added = 0;
  #tableBytes = MAX_TABLE_BYTES;
  #room = MAX_TABLE_BYTES;
  #mustFlush = false;
  #blocksSinceFlush = 0;
  /** How many headers were written that are more than an index. */
  literals = 0;
  /** Another one whenever the table changes: until then, what was an index stays the same index. */
  tableVersion = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE: told with the next block. */
  resize(tableBytes: number): void {
    const size = Math.min(tableBytes, MAX_TABLE_BYTES);
    if (size === this.#tableBytes && !this.#mustFlush) return;
    this.#tableBytes = size;
    this.#mustFlush = true;
  }

  /** Starts a block: to be called once before its first header. */
  start(buffer: Buffer, at: number): number {
    this.#blocksSinceFlush += 1;
    if (!this.#mustFlush) return at;
    this.#mustFlush = false;
    this.#blocksSinceFlush = 0;
    this.tableVersion += 1;
    this.#room = this.#tableBytes;
    for (const known of this.#names.values()) known.positions.clear();
    const next = writeInteger(buffer, at, 0x20, 0x1f, 0);
    return this.#tableBytes === 0 ? next : writeInteger(buffer, next, 0x20, 0x1f, this.#tableBytes);
  }

  /** Writes one header at `at` and returns where it ends; at most name and value and {@link ENTRY_OVERHEAD_BYTES}. */
  header(buffer: Buffer, at: number, name: string, value: string): number {
    const known = this.#names.get(name) ?? this.#learn(name);
    if (known.changes) {
      this.literals += 1;
      return writeLiteral(buffer, at, 0x00, 0x0f, known.index, name, value);
    }
    const position = known.positions.get(value);
    if (position !== undefined) {
      return writeInteger(buffer, at, 0x80, 0x7f, staticTable.length + this.#added - position);
    }
    const constant = known.constants.get(value);
    if (constant !== undefined) return writeInteger(buffer, at, 0x80, 0x7f, constant);
    this.literals += 1;
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (size > this.#room) {
      this.#mustFlush ||=
        size <= this.#tableBytes && this.#blocksSinceFlush >= BLOCKS_BETWEEN_FLUSHES;
      return writeLiteral(buffer, at, 0x00, 0x0f, known.index, name, value);
    }
    this.tableVersion += 1;
    this.#room -= size;
    known.positions.set(value, this.#added++);
    return writeLiteral(buffer, at, 0x40, 0x3f, known.index, name, value);
  }

  #learn(name: string): KnownName {
    const places = [...staticTable.entries()].filter(([, entry]) => entry[0] === name);
    const known: KnownName = {
      index: (places[0]?.[0] ?? -1) + 1,
      changes: changing.has(name),
      constants: new Map(places.map(([place, entry]) => [entry[1], place + 1])),
      positions: new Map(),
    };
    this.#names.set(name, known);
    return known;
  }
}

function writeLiteral(
  buffer: Buffer,
  start: number,
  pattern: number,
  mask: number,
  index: number,
  name: string,
  value: string,
): number {
  let at = writeInteger(buffer, start, pattern, mask, index);
  if (index === 0) at = writeString(buffer, at, name);
  return writeString(buffer, at, value);
}

/** Never in the Huffman code: it would save a third of the bytes and cost more time than all the rest. */
function writeString(buffer: Buffer, start: number, text: string): number {
  const at = writeInteger(buffer, start, 0x00, 0x7f, text.length);
  if (text.length > SHORT) return at + buffer.write(text, at, 'latin1');
  for (let place = 0; place < text.length; place += 1) buffer[at + place] = text.charCodeAt(place);
  return at + text.length;
}

/** Up to so many characters a loop is faster than the way into Node's own writing. */
const SHORT = 128;

function writeInteger(
  buffer: Buffer,
  start: number,
  pattern: number,
  mask: number,
  value: number,
): number {
  if (value < mask) {
    buffer[start] = pattern | value;
    return start + 1;
  }
  buffer[start] = pattern | mask;
  let at = start + 1;
  let rest = value - mask;
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[at++] = rest;
  return at;
}
