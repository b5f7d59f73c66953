/** What the header blocks of responses say (RFC 9113, sections 4.3 and 8). */
import type { Frame } from './frame-reader.js';
import { Breach, Flag, FrameType } from './frames.js';
import { ENTRY_OVERHEAD_BYTES, HeaderReader } from './hpack.js';

/** Apple's answers have a handful of short headers. */
export const MAX_HEADER_LIST_BYTES = 16 * 1024;
/** CONTINUATION frames of one block: a peer that sends empty ones for ever is stopped. */
const MAX_CONTINUATIONS = 32;

export interface Head {
  status: number;
  /** All but {@link ECHOED_ID}. */
  headers: Readonly<Record<string, string>>;
}

/** Puts blocks together: once one has begun, nothing but its CONTINUATION may come. */
export class BlockAssembler {
  #begun: { stream: number; flags: number; parts: Buffer[]; bytes: number } | undefined;

  expect(frame: Frame): void {
    const continues = frame.type === FrameType.continuation;
    if (continues === (this.#begun !== undefined)) {
      if (!this.#begun || this.#begun.stream === frame.stream) return;
    }
    throw new Breach('PROTOCOL_ERROR', `${frame} came in the wrong place of a header block`);
  }

  /** True where the frame now holds a whole block, and the flags of its HEADERS. */
  add(frame: Frame): boolean {
    if (!this.#begun) {
      frame.expectStream();
      frame.unpad();
      if (frame.has(Flag.endHeaders)) return true;
      const { stream, flags, length } = frame;
      this.#begun = { stream, flags, parts: [frame.copy()], bytes: length };
      return false;
    }
    const { flags, parts } = this.#begun;
    parts.push(frame.copy());
    this.#begun.bytes += frame.length;
    if (this.#begun.bytes > 2 * MAX_HEADER_LIST_BYTES || parts.length > MAX_CONTINUATIONS) {
      throw new Breach('ENHANCE_YOUR_CALM', 'a header block does not end');
    }
    if (!frame.has(Flag.endHeaders)) return false;
    this.#begun = undefined;
    frame.flags = flags;
    frame.bytes = Buffer.concat(parts);
    frame.start = 0;
    frame.end = frame.bytes.length;
    return true;
  }
}

/** The request's own id, another one in each answer: it is not read, since the stream tells whose answer it is. */
const ECHOED_ID = 'apns-id';

const fieldName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const ofOneConnection = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** A block that came before: all of it but the value of its last header, and what it said. */
interface Opening {
  bytes: Buffer;
  head: Head;
  lastName: string;
  /** Without the last value. */
  listed: number;
}

/**
 * Reads heads and trailers. A gateway's answers mostly differ in their last value only (apns-id), and as our
 * HPACK table is empty, equal bytes always mean equal headers: what came before is not read again.
 */
export class HeadReader {
  readonly #reader = new HeaderReader();
  /** By the first byte of the block, which tells most statuses apart. */
  readonly #openings = new Map<number, Opening>();
  /** As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, section 6.5.2). */
  #listed = 0;

  /** Undefined where the head is malformed or too long. @throws Breach (COMPRESSION_ERROR) */
  read({ bytes, start, end }: Frame): Head | undefined {
    const opening = this.#openings.get(bytes[start] ?? 0);
    if (opening && beginsWith(bytes, start, end, opening.bytes)) {
      const head = this.#readLast(opening, bytes, start, end);
      if (head) return head;
    }
    const head = this.#readWhole(bytes, start, end);
    if (head) this.#remember(head, bytes, start);
    return head;
  }

  /** False where they are malformed; nothing in them is for us. @throws Breach (COMPRESSION_ERROR) */
  readTrailers({ bytes, start, end }: Frame): boolean {
    this.#reader.open(bytes, start, end);
    this.#listed = 0;
    return this.#readFields({});
  }

  #readLast(opening: Opening, bytes: Buffer, start: number, end: number): Head | undefined {
    const valueAt = start + opening.bytes.length;
    if (opening.lastName === ECHOED_ID) {
      const length = this.#reader.skipValue(bytes, valueAt, end);
      const short = opening.listed + 2 * length <= MAX_HEADER_LIST_BYTES;
      return this.#reader.at === end && short ? opening.head : undefined;
    }
    const value = this.#reader.readValue(bytes, valueAt, end);
    const listed = opening.listed + value.length;
    if (this.#reader.at !== end || listed > MAX_HEADER_LIST_BYTES) return undefined;
    const headers = { ...opening.head.headers };
    headers[opening.lastName] = value;
    return { status: opening.head.status, headers };
  }

  #readWhole(bytes: Buffer, start: number, end: number): Head | undefined {
    const reader = this.#reader;
    reader.open(bytes, start, end);
    this.#listed = 0;
    if (!reader.next() || reader.name !== ':status') return undefined;
    if (!/^[1-9]\d\d$/.test(reader.value)) return undefined;
    const status = Number(reader.value);
    const headers = {};
    return this.#readFields(headers) ? { status, headers } : undefined;
  }

  /** The regular fields that are left: a pseudo header is malformed there. Repeated ones are joined. */
  #readFields(headers: Record<string, string>): boolean {
    const reader = this.#reader;
    while (reader.next()) {
      const { name, value } = reader;
      this.#listed += name.length + value.length + ENTRY_OVERHEAD_BYTES;
      if (!fieldName.test(name) || ofOneConnection.has(name)) return false;
      if (name === ECHOED_ID) continue;
      const earlier = Object.hasOwn(headers, name) ? headers[name] : undefined;
      headers[name] = earlier === undefined ? value : `${earlier}, ${value}`;
    }
    return this.#listed <= MAX_HEADER_LIST_BYTES;
  }

  /** To be called when a block was read to its end. */
  #remember(head: Head, bytes: Buffer, start: number): void {
    const { name, value, valueAt } = this.#reader;
    // Not where the last header has no value of its own: the status, or one that was joined to another.
    if (name !== ECHOED_ID && head.headers[name] !== value) return;
    this.#openings.set(bytes[start] ?? 0, {
      bytes: Buffer.from(bytes.subarray(start, valueAt)),
      head,
      lastName: name,
      listed: this.#listed - value.length,
    });
  }
}

function beginsWith(bytes: Buffer, start: number, end: number, opening: Buffer): boolean {
  if (opening.length > end - start) return false;
  for (let at = 0; at < opening.length; at += 1) {
    if (opening[at] !== bytes[start + at]) return false;
  }
  return true;
}
