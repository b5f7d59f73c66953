/** Writes requests to one connection's outbox, as HTTP/2 frames within the peer's limits. */

import type { ApnsRequest } from '../sender.js';
import { ENTRY_OVERHEAD_BYTES } from './codec/dynamic-table.js';
import {
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
  INITIAL_WINDOW_BYTES,
  makeFrame,
  writeFrameHeader,
} from './codec/frames.js';
import { HeaderEncoder } from './codec/hpack.js';
import type { PeerSettings } from './peer-settings.js';
import type { Stream } from './stream.js';
import type { WriteBuffer } from './write-buffer.js';

/** UTF-8 takes at most so many for each UTF-16 unit. */
const MAX_UTF8_BYTES = 3;
/** Room for what a block holds beside the request's own headers: seven of ours, the size updates. */
const BLOCK_MARGIN_BYTES = 400;

/** The headers of the last block whose constants were indices: the next one with the same copies their bytes. */
class KnownBlock {
  readonly #method: string;
  readonly #headers: ApnsRequest['headers'];
  readonly #authorization: string | undefined;
  readonly tableVersion: number;
  /** The bytes before the path, and those behind it. */
  readonly pseudo: Uint8Array;
  readonly regular: Uint8Array;

  constructor(
    method: string,
    headers: ApnsRequest['headers'],
    authorization: string | undefined,
    tableVersion: number,
    pseudo: Uint8Array,
    regular: Uint8Array,
  ) {
    this.#method = method;
    this.#headers = headers;
    this.#authorization = authorization;
    this.tableVersion = tableVersion;
    this.pseudo = pseudo;
    this.regular = regular;
  }

  says(
    method: string,
    headers: ApnsRequest['headers'],
    authorization: string | undefined,
  ): boolean {
    const own = this.#headers;
    if (method !== this.#method || authorization !== this.#authorization) return false;
    if (headers === own) return true;
    if (headers.length !== own.length) return false;
    for (let place = 0; place < own.length; place += 1) {
      if (headers[place] !== own[place]) return false;
    }
    return true;
  }
}

function copyInto(buffer: Buffer, at: number, bytes: Uint8Array): number {
  for (let place = 0; place < bytes.length; place += 1) buffer[at + place] = bytes[place] ?? 0;
  return at + bytes.length;
}

export class RequestWriter {
  readonly encoder = new HeaderEncoder();
  /** Bytes the peer lets us send on the whole connection. */
  window = INITIAL_WINDOW_BYTES;
  readonly #outbox: WriteBuffer;
  readonly #peer: PeerSettings;
  readonly #authority: string;
  readonly #maxWriteBytes: number;
  #known: KnownBlock | undefined;
  /** Those whose body is not out yet, in the order they were opened. */
  readonly #unfinished = new Set<Stream>();

  constructor(outbox: WriteBuffer, peer: PeerSettings, authority: string, maxWriteBytes: number) {
    this.#outbox = outbox;
    this.#peer = peer;
    this.#authority = authority;
    this.#maxWriteBytes = maxWriteBytes;
  }

  get hasRoom(): boolean {
    return this.window > 0 && this.#outbox.length < this.#maxWriteBytes;
  }

  /** An upper bound of what the header block takes and of how the peer counts it. */
  headerBytes({ path, headers, id = '' }: ApnsRequest, authorization = ''): number {
    let bytes = BLOCK_MARGIN_BYTES + this.#authority.length + authorization.length;
    bytes += path.length + 2 * id.length;
    for (const text of headers) bytes += text.length + ENTRY_OVERHEAD_BYTES;
    return bytes;
  }

  write(stream: Stream, headerBytes: number, authorization: string | undefined): void {
    const outbox = this.#outbox;
    const start = outbox.length + FRAME_HEADER_BYTES;
    const buffer = outbox.reserve(FRAME_HEADER_BYTES + headerBytes);
    const end = this.#encode(buffer, start, stream.exchange.request, authorization);
    const { body } = stream.exchange.request;
    const endStream = body === '' ? Flag.endStream : 0;
    if (end - start <= this.#peer.framePayloadBytes) {
      const flags = endStream | Flag.endHeaders;
      writeFrameHeader(buffer, outbox.length, end - start, FrameType.headers, flags, stream.id);
      outbox.length = end;
    } else {
      this.#writeContinued(stream.id, endStream, Buffer.from(buffer.subarray(start, end)));
    }
    if (body === '') stream.sent = true;
    else if (!this.#writeShort(stream, body)) this.#writeBody(stream, Buffer.from(body));
  }

  /** Goes on with the bodies for which there was no window. */
  resume(): void {
    for (const stream of this.#unfinished) {
      if (stream.bodyLeft) this.#writeBody(stream, stream.bodyLeft);
    }
  }

  /** The stream is over: what is left of its body stays here. */
  abandon(stream: Stream): void {
    this.#unfinished.delete(stream);
  }

  #encode(
    buffer: Buffer,
    start: number,
    { method, path, headers, id, collapse }: ApnsRequest,
    authorization: string | undefined,
  ): number {
    const { encoder } = this;
    let at = encoder.start(buffer, start);
    const known = this.#known;
    if (
      known &&
      known.tableVersion === encoder.tableVersion &&
      known.says(method, headers, authorization)
    ) {
      at = copyInto(buffer, at, known.pseudo);
      at = encoder.header(buffer, at, ':path', path);
      at = copyInto(buffer, at, known.regular);
    } else {
      const { literals } = encoder;
      const pseudoAt = at;
      at = encoder.header(buffer, at, ':method', method);
      at = encoder.header(buffer, at, ':scheme', 'https');
      at = encoder.header(buffer, at, ':authority', this.#authority);
      const pathAt = at;
      at = encoder.header(buffer, at, ':path', path);
      const regularAt = at;
      at = this.#encodeRegular(buffer, at, headers, authorization);
      // The path is the one literal of a block whose constants are all in the table.
      if (encoder.literals === literals + 1) {
        const pseudo = Uint8Array.prototype.slice.call(buffer, pseudoAt, pathAt);
        const regular = Uint8Array.prototype.slice.call(buffer, regularAt, at);
        const { tableVersion } = encoder;
        this.#known = new KnownBlock(method, headers, authorization, tableVersion, pseudo, regular);
      }
    }
    if (id === undefined) return at;
    at = encoder.header(buffer, at, 'apns-id', id);
    return collapse ? encoder.header(buffer, at, 'apns-collapse-id', id) : at;
  }

  #encodeRegular(
    buffer: Buffer,
    start: number,
    headers: ApnsRequest['headers'],
    authorization: string | undefined,
  ): number {
    let at = start;
    if (authorization !== undefined) {
      at = this.encoder.header(buffer, at, 'authorization', authorization);
    }
    for (let place = 0; place < headers.length; place += 2) {
      const [name, value] = [headers[place] ?? '', headers[place + 1] ?? ''];
      at = this.encoder.header(buffer, at, name, value);
    }
    return at;
  }

  /** A block longer than a frame. */
  #writeContinued(stream: number, endStream: number, block: Buffer): void {
    let type: number = FrameType.headers;
    let flags = endStream;
    for (let at = 0; at < block.length; at += this.#peer.framePayloadBytes) {
      const part = block.subarray(at, at + this.#peer.framePayloadBytes);
      if (at + part.length === block.length) flags |= Flag.endHeaders;
      this.#outbox.push(makeFrame(type, flags, stream, part));
      type = FrameType.continuation;
      flags = 0;
    }
  }

  /** A body that certainly fits: it is encoded in its place. */
  #writeShort(stream: Stream, body: string): boolean {
    const most = MAX_UTF8_BYTES * body.length;
    const room = Math.min(this.window, stream.sendWindow, this.#peer.framePayloadBytes);
    if (most > room || !this.hasRoom) return false;
    const buffer = this.#outbox.reserve(FRAME_HEADER_BYTES + most);
    const at = this.#outbox.length;
    const length = buffer.write(body, at + FRAME_HEADER_BYTES);
    this.#finishData(stream, buffer, length, Flag.endStream);
    stream.sent = true;
    return true;
  }

  /** As much of the body as windows and outbox allow. */
  #writeBody(stream: Stream, body: Buffer): void {
    let left = body;
    while (left.length > 0) {
      const room = this.hasRoom ? Math.min(this.window, stream.sendWindow) : 0;
      if (room <= 0) {
        stream.bodyLeft = left;
        this.#unfinished.add(stream);
        return;
      }
      const length = Math.min(left.length, room, this.#peer.framePayloadBytes);
      const buffer = this.#outbox.reserve(FRAME_HEADER_BYTES + length);
      left.copy(buffer, this.#outbox.length + FRAME_HEADER_BYTES, 0, length);
      this.#finishData(stream, buffer, length, length === left.length ? Flag.endStream : 0);
      left = left.subarray(length);
    }
    stream.sent = true;
    stream.bodyLeft = undefined;
    this.#unfinished.delete(stream);
  }

  #finishData(stream: Stream, buffer: Buffer, length: number, flags: number): void {
    writeFrameHeader(buffer, this.#outbox.length, length, FrameType.data, flags, stream.id);
    this.#outbox.length += FRAME_HEADER_BYTES + length;
    stream.sendWindow -= length;
    this.window -= length;
  }
}
