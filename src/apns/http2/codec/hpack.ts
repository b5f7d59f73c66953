/** HPACK (RFC 7541): what gateways send is decoded, and requests are encoded. */
import { DynamicTable, ENTRY_OVERHEAD_BYTES, HEADER_TABLE_BYTES } from './dynamic-table.js';
import { Http2Error } from './frames.js';
import { decodeHuffman, huffmanLength } from './huffman.js';

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

/**
 * Reads one block after the other, header by header. All blocks of a connection must come here, in their order, and
 * be read to their end: what one puts into the table, the next ones refer to.
 */
export class HeaderReader {
  name = '';
  value = '';
  /** Where the value's string stands; at the end of a header that a table has whole. */
  valueAt = 0;
  /** Another one whenever the table may have changed: until then, equal bytes mean equal headers. */
  tableVersion = 0;
  readonly #table = new DynamicTable();
  readonly #unread: string | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  /** Where the next header begins. */
  #at = 0;
  #end = 0;
  #mayResize = true;

  /** @param unread the name of a header whose value nobody asks for: it is given as '' and not decoded */
  constructor(unread?: string) {
    this.#unread = unread;
  }

  open(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#mayResize = true;
  }

  /** True where from `start` on there is one string and nothing else. @throws Breach (COMPRESSION_ERROR) */
  endsWithString(bytes: Buffer, start: number, end: number): boolean {
    this.open(bytes, start, end);
    this.#passString();
    return this.#at === end;
  }

  /** Sets name and value; false at the end. @throws Breach (COMPRESSION_ERROR) */
  next(): boolean {
    while (this.#at < this.#end) {
      const first = this.#bytes[this.#at] ?? 0;
      if (first < 0x20 || first >= 0x40) {
        this.#mayResize = false;
        if (first >= 0x80) this.#readIndexed();
        else this.#readLiteral(first >= 0x40);
        return true;
      }
      if (!this.#mayResize) throw broken('a table size update stands after a header');
      this.#resize(this.#integer(0x1f));
    }
    return false;
  }

  #resize(bytes: number): void {
    if (bytes > HEADER_TABLE_BYTES) {
      throw broken(`a table of ${bytes} bytes came where ${HEADER_TABLE_BYTES} are allowed`);
    }
    this.tableVersion += 1;
    this.#table.resize(bytes);
  }

  #readIndexed(): void {
    const index = this.#integer(0x7f);
    const entry = staticTable[index - 1];
    if (entry) {
      this.name = entry[0];
      this.value = entry[1];
    } else {
      const age = this.#age(index);
      this.name = this.#table.name(age);
      this.value = this.#table.value(age);
    }
    this.valueAt = this.#at;
  }

  #readLiteral(indexing: boolean): void {
    const index = this.#integer(indexing ? 0x3f : 0x0f);
    this.name = index === 0 ? this.#string() : this.#nameAt(index);
    this.valueAt = this.#at;
    const valueBytes = this.#readValue(indexing);
    // One without room stays empty.
    if (!indexing || this.#table.maxBytes === 0) return;
    this.tableVersion += 1;
    this.#table.add(this.name, this.value, valueBytes);
  }

  /** Returns how long the value is, where that is wanted. */
  #readValue(lengthWanted: boolean): number {
    if (this.name !== this.#unread) {
      this.value = this.#string();
      return this.value.length;
    }
    this.value = '';
    const huffman = this.#isHuffman();
    const start = this.#passString();
    return huffman && lengthWanted ? huffmanLength(this.#bytes, start, this.#at) : this.#at - start;
  }

  #nameAt(index: number): string {
    return staticTable[index - 1]?.[0] ?? this.#table.name(this.#age(index));
  }

  /** Of an index that is not the static table's. */
  #age(index: number): number {
    const age = index - staticTable.length - 1;
    if (age >= 0 && age < this.#table.count) return age;
    const { count } = this.#table;
    throw broken(`index ${index} is in no table: the dynamic one has ${count} entries`);
  }

  #string(): string {
    const huffman = this.#isHuffman();
    const start = this.#passString();
    if (huffman) return decodeHuffman(this.#bytes, start, this.#at);
    return this.#bytes.toString('latin1', start, this.#at);
  }

  /** Of the string that is next. */
  #isHuffman(): boolean {
    return (this.#bytes[this.#at] ?? 0) >= 0x80;
  }

  /** Goes to the end of a string, and returns where its bytes start. */
  #passString(): number {
    const length = this.#integer(0x7f);
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#end) throw broken('a string is longer than its block');
    return start;
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

  #byte(): number {
    if (this.#at >= this.#end) throw broken('the block ends inside a header');
    return this.#bytes[this.#at++] ?? 0;
  }
}

function broken(message: string): Http2Error {
  return new Http2Error('COMPRESSION_ERROR', message);
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
