/** The streams of one connection: a request and its response each. */
import { type Bucketed, Buckets } from './buckets.js';
import type { Frame } from './codec/frame-reader.js';
import { Http2Error } from './codec/frames.js';
import type { PendingRequest } from './pending-request.js';
import type { ResponseHead } from './response.js';

export class Stream implements Bucketed<Stream> {
  readonly id: number;
  readonly exchange: PendingRequest;
  /** Apple acts on whole requests only: one whose end is still here was certainly not processed. */
  sent = false;
  /** What is left of a body that did not leave at once. */
  bodyLeft: Buffer | undefined;
  /** Bytes the peer lets us send; below 0 where it took some back. */
  sendWindow: number;
  /** Bytes of DATA whose window was not given back yet. */
  taken = 0;
  /** The final response's head, once it came. */
  head: ResponseHead | undefined;
  /** Bytes of the body so far. */
  received = 0;
  /** The answer was taken before its end: what is left of the body is not wanted. */
  cutShort = false;
  next: Stream | undefined;
  readonly #cancel: (stream: Stream) => void;
  #body = '';
  /** Of a body that comes in pieces: the first `received` bytes. */
  #pieces: Buffer | undefined;

  constructor(
    id: number,
    exchange: PendingRequest,
    sendWindow: number,
    cancel: (stream: Stream) => void,
  ) {
    this.id = id;
    this.exchange = exchange;
    this.sendWindow = sendWindow;
    this.#cancel = cancel;
  }

  get bucketKey(): number {
    return keyOf(this.id);
  }

  cancel(): void {
    this.#cancel(this);
  }

  /** One buffer, however many frames there are: a gateway that sends single bytes costs no more than another. */
  addData({ bytes, start, end, length }: Frame, last: boolean): void {
    const at = this.received;
    this.received += length;
    if (last && at === 0) {
      this.#body = bytes.toString('utf8', start, end);
      return;
    }
    if (!this.#pieces || this.#pieces.length < this.received) {
      const larger = Buffer.allocUnsafeSlow(Math.max(LEAST_BODY_BYTES, 2 * this.received));
      this.#pieces?.copy(larger, 0, 0, at);
      this.#pieces = larger;
    }
    bytes.copy(this.#pieces, at, start, end);
  }

  /** Ends the answer here, without its body. */
  cut(ended: boolean): void {
    this.#pieces = undefined;
    this.cutShort = !ended;
  }

  get body(): string {
    return this.#pieces?.toString('utf8', 0, this.received) ?? this.#body;
  }
}

/** Room for any reason of Apple's. */
const LEAST_BODY_BYTES = 256;

/** Ids go up by two. */
function keyOf(id: number): number {
  return id >> 1;
}

/** A connection carries about so many at once. */
const STREAM_BUCKETS = 1024;

/** Cancelled streams we remember, to tell their late frames from a breach. */
const MAX_CANCELLED = 10_000;

export class Streams {
  /** The open ones. */
  readonly #open = new Buckets<Stream>(STREAM_BUCKETS);
  /** Cancelled by us, which the peer may not know yet. */
  readonly #cancelled = new Set<number>();
  /** Below this id we don't remember which were cancelled. */
  #forgotten = 0;
  /** The id of the next stream. */
  next = 1;
  /** Of the bodies, as far as they came, of all that are open. */
  bodyBytes = 0;

  get size(): number {
    return this.#open.size;
  }

  add(exchange: PendingRequest, sendWindow: number, cancel: (stream: Stream) => void): Stream {
    const stream = new Stream(this.next, exchange, sendWindow, cancel);
    this.next += 2;
    this.#open.add(stream);
    exchange.carrier = stream;
    return stream;
  }

  /** The stream of a frame, if it is open; `last` where the frame is its last one. Undefined for one that we cancelled. */
  find({ stream: id }: Frame, last: boolean): Stream | undefined {
    const stream = this.#get(id);
    if (stream) return stream;
    this.expectOpened(id);
    const late = last ? this.#cancelled.delete(id) : this.#cancelled.has(id);
    if (late || id < this.#forgotten) return undefined;
    throw new Http2Error('STREAM_CLOSED', `a frame came for stream ${id}, which was over`);
  }

  /** The stream of a frame that may come when it is over. */
  findLate({ stream: id }: Frame): Stream | undefined {
    const stream = this.#get(id);
    if (!stream) this.expectOpened(id);
    return stream;
  }

  expectOpened(id: number): void {
    if (id % 2 === 1 && id < this.next) return;
    throw new Http2Error('PROTOCOL_ERROR', `a frame came for stream ${id}, which was never opened`);
  }

  addData(stream: Stream, frame: Frame, last: boolean): void {
    this.bodyBytes += frame.length;
    stream.addData(frame, last);
  }

  /** False where it was not open any more. */
  remove(stream: Stream): boolean {
    if (!this.#open.remove(stream)) return false;
    this.bodyBytes -= stream.received;
    stream.exchange.carrier = undefined;
    return true;
  }

  /** Removes it for a reason of our own: what the peer still sends for it is let pass. */
  cancel(stream: Stream): boolean {
    if (!this.remove(stream)) return false;
    if (this.#cancelled.size >= MAX_CANCELLED) {
      this.#cancelled.clear();
      this.#forgotten = this.next;
    }
    this.#cancelled.add(stream.id);
    return true;
  }

  /** Removes and returns those above an id, the newest first, so that each can be put before the others. */
  removeAbove(id: number): Stream[] {
    const streams = [...this].filter((stream) => stream.id > id).sort((a, b) => b.id - a.id);
    for (const stream of streams) this.remove(stream);
    return streams;
  }

  [Symbol.iterator](): Generator<Stream> {
    return this.#open[Symbol.iterator]();
  }

  #get(id: number): Stream | undefined {
    let stream = this.#open.first(keyOf(id));
    while (stream && stream.id !== id) stream = stream.next;
    return stream;
  }
}
