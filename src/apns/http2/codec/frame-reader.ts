/** Cuts the bytes of a connection, in whatever pieces they come, into frames. */
import {
  Flag,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_BYTES,
  Http2Error,
  MAX_STREAM_ID,
} from './frames.js';

const NOTHING: Buffer = Buffer.alloc(0);

/** A frame that came. There is one object for all of them: it is good until the next one comes. */
export class Frame {
  type = 0;
  flags = 0;
  stream = 0;
  /** The payload is `bytes` from `start` to `end`. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  uint32(offset: number): number {
    return this.bytes.readUInt32BE(this.start + offset);
  }

  copy(): Buffer {
    return Buffer.from(this.bytes.subarray(this.start, this.end));
  }

  /** Takes the padding off, and a priority, which says nothing since RFC 9113. */
  unpad(): void {
    const least = (this.has(Flag.padded) ? 1 : 0) + (this.has(Flag.priority) ? 5 : 0);
    if (this.length < least) throw new Http2Error('FRAME_SIZE_ERROR', 'a frame is cut off');
    if (this.has(Flag.padded)) this.end -= this.bytes.readUInt8(this.start);
    this.start += least;
    if (this.length < 0)
      throw new Http2Error('PROTOCOL_ERROR', 'a frame is shorter than its padding');
  }

  expectStream(): void {
    if (this.stream === 0) throw new Http2Error('PROTOCOL_ERROR', `${this} came without a stream`);
  }

  expectNoStream(): void {
    if (this.stream !== 0) throw new Http2Error('PROTOCOL_ERROR', `${this} came for a stream`);
  }

  expectLength(length: number): void {
    if (this.length === length) return;
    throw new Http2Error('FRAME_SIZE_ERROR', `${this} has ${this.length} bytes, not ${length}`);
  }

  toString(): string {
    return `a frame of type ${this.type}`;
  }
}

export class FrameReader {
  readonly #frame = new Frame();
  readonly #onFrame: (frame: Frame) => void;
  #rest = NOTHING;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /** Reads `length` bytes of a chunk. @throws Breach, its own or from who takes the frames; after one nothing more may be read. */
  push(chunk: Buffer, length = chunk.length): void {
    let bytes = chunk;
    let filled = length;
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, chunk.subarray(0, length)]);
      filled = bytes.length;
    }
    const frame = this.#frame;
    let at = 0;
    while (filled - at >= FRAME_HEADER_BYTES) {
      const payload = bytes.readUIntBE(at, 3);
      if (payload > FRAME_PAYLOAD_BYTES) {
        throw new Http2Error(
          'FRAME_SIZE_ERROR',
          `a frame of ${payload} bytes came (is it HTTP/2?)`,
        );
      }
      const end = at + FRAME_HEADER_BYTES + payload;
      if (end > filled) break;
      frame.type = bytes.readUInt8(at + 3);
      frame.flags = bytes.readUInt8(at + 4);
      frame.stream = bytes.readUInt32BE(at + 5) & MAX_STREAM_ID;
      frame.bytes = bytes;
      frame.start = at + FRAME_HEADER_BYTES;
      frame.end = end;
      this.#onFrame(frame);
      at = end;
    }
    // A copy: the chunk's memory is the socket's, for the next one.
    this.#rest = at < filled ? Buffer.from(bytes.subarray(at, filled)) : NOTHING;
  }
}
