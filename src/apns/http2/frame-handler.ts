/** What a gateway says on one connection (RFC 9113): each frame is checked, and passed on as what it means. */

import { harmless } from '../harmless.js';
import { type Frame, FrameReader } from './codec/frame-reader.js';
import {
  ErrorCode,
  Flag,
  FrameType,
  Http2Error,
  INITIAL_WINDOW_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  makeFrame,
  nameOfErrorCode,
  PING_PAYLOAD,
  windowUpdate,
} from './codec/frames.js';
import type { Keepalive } from './keepalive.js';
import type { PeerSettings } from './peer-settings.js';
import type { RequestWriter } from './request-writer.js';
import { HeaderBlockAssembler, ResponseHeadReader } from './response.js';
import type { Stream, Streams } from './stream.js';
import type { WriteBuffer } from './write-buffer.js';

/** Who acts on what came. */
export interface FrameListener {
  /** The first SETTINGS: the gateway takes this connection. */
  onAccepted(): void;
  /** A whole response. */
  onAnswer(stream: Stream): void;
  /** The gateway broke the rules of one stream only, which is to be reset with that code. */
  onMalformed(stream: Stream, what: string, code: number): void;
  onReset(stream: Stream, code: number): void;
  onGoAway(lastStream: number, reason: string): void;
}

/** The state of one connection that frames change. */
export interface ConnectionState {
  streams: Streams;
  writer: RequestWriter;
  peer: PeerSettings;
  pulse: Keepalive;
  outbox: WriteBuffer;
}

/** Bytes the gateway may send before a WINDOW_UPDATE of ours: more than 1,000 streams answer at once. */
export const CONNECTION_WINDOW_BYTES = 1024 * 1024;
/** Of a GOAWAY's debug data: enough for a sentence. */
const MAX_DEBUG_LENGTH = 200;
/** Of all bodies whose end has not come. Apple's are short, and end with the frame that they begin with. */
const MAX_UNFINISHED_BYTES = 1024 * 1024;
/** Answers (PING, SETTINGS) that pile up while the peer does not read: beyond, it floods us. */
const MAX_ANSWER_BYTES = 64 * 1024;

const settingsAck = makeFrame(FrameType.settings, Flag.ack, 0, Buffer.alloc(0));

export class FrameHandler {
  readonly #session: ConnectionState;
  readonly #listener: FrameListener;
  readonly #maxResponseBytes: number;
  readonly #reader = new FrameReader((frame) => this.#onFrame(frame));
  readonly #blocks = new HeaderBlockAssembler();
  readonly #heads = new ResponseHeadReader();
  #accepted = false;
  #closed = false;
  /** Bytes of DATA whose window was not given back yet. */
  #taken = 0;

  constructor(session: ConnectionState, maxResponseBytes: number, listener: FrameListener) {
    this.#session = session;
    this.#listener = listener;
    this.#maxResponseBytes = maxResponseBytes;
  }

  /** Reads `length` bytes. @throws Breach where the gateway breaks the protocol: the connection must end */
  push(bytes: Buffer, length: number): void {
    this.#session.pulse.heard();
    this.#reader.push(bytes, length);
  }

  /** Whatever still comes says nothing. */
  close(): void {
    this.#closed = true;
  }

  #onFrame(frame: Frame): void {
    if (this.#closed) return;
    if (!this.#accepted) expectSettings(frame);
    this.#blocks.expect(frame);
    switch (frame.type) {
      case FrameType.headers:
      case FrameType.continuation:
        if (this.#blocks.add(frame)) this.#onBlock(frame);
        break;
      case FrameType.data:
        this.#onData(frame);
        break;
      case FrameType.windowUpdate:
        this.#onWindowUpdate(frame);
        break;
      case FrameType.resetStream:
        this.#onResetStream(frame);
        break;
      case FrameType.settings:
        this.#onSettings(frame);
        break;
      case FrameType.ping:
        this.#onPing(frame);
        break;
      case FrameType.goAway:
        this.#onGoAway(frame);
        break;
      case FrameType.priority:
        frame.expectStream();
        frame.expectLength(5);
        break;
      case FrameType.pushPromise:
        throw new Http2Error('PROTOCOL_ERROR', 'PUSH_PROMISE came, which our SETTINGS forbid');
    }
  }

  #onBlock(frame: Frame): void {
    this.#session.pulse.answered();
    const endStream = frame.has(Flag.endStream);
    const stream = this.#session.streams.find(frame, endStream);
    if (stream?.head) {
      if (this.#heads.readTrailers(frame) && endStream) this.#listener.onAnswer(stream);
      else this.#malformed(stream, 'malformed trailers');
      return;
    }
    const head = this.#heads.read(frame);
    if (!stream) return;
    const interim = head && head.status < 200;
    if (!head || (interim && endStream)) {
      this.#malformed(stream, 'malformed headers');
    } else if (!interim) {
      stream.head = head;
      if (endStream) this.#listener.onAnswer(stream);
    }
  }

  #onData(frame: Frame): void {
    frame.expectStream();
    this.#session.pulse.answered();
    const { length } = frame;
    this.#taken += length;
    if (this.#taken >= CONNECTION_WINDOW_BYTES / 2) {
      this.#answer(windowUpdate(0, this.#taken));
      this.#taken = 0;
    }
    // Of the flags of DATA, the one that means a priority elsewhere means nothing.
    frame.flags &= Flag.endStream | Flag.padded;
    frame.unpad();
    const endStream = frame.has(Flag.endStream);
    const { streams } = this.#session;
    const stream = streams.find(frame, endStream);
    if (!stream) return;
    stream.taken += length;
    if (!stream.head) {
      this.#malformed(stream, 'a body without headers');
      return;
    }
    if (this.#isTooLong(stream, frame)) {
      // The status is Apple's word, and no body of Apple's is so long: to call the outcome unknown
      // would send again what a 200 has accepted.
      stream.cut(endStream);
      this.#listener.onAnswer(stream);
      return;
    }
    streams.addData(stream, frame, endStream);
    if (endStream) {
      this.#listener.onAnswer(stream);
    } else if (stream.taken >= INITIAL_WINDOW_BYTES / 2) {
      this.#answer(windowUpdate(stream.id, stream.taken));
      stream.taken = 0;
    }
  }

  #isTooLong(stream: Stream, { length }: Frame): boolean {
    if (stream.received + length > this.#maxResponseBytes) return true;
    return this.#session.streams.bodyBytes + length > MAX_UNFINISHED_BYTES;
  }

  #malformed(stream: Stream, what: string): void {
    this.#listener.onMalformed(stream, `it answered with ${what}`, ErrorCode.PROTOCOL_ERROR);
  }

  #onResetStream(frame: Frame): void {
    frame.expectStream();
    frame.expectLength(4);
    this.#session.pulse.answered();
    const stream = this.#session.streams.findLate(frame);
    if (stream) this.#listener.onReset(stream, frame.uint32(0));
  }

  #onWindowUpdate(frame: Frame): void {
    frame.expectLength(4);
    const { writer, streams } = this.#session;
    const increment = frame.uint32(0) & MAX_WINDOW_BYTES;
    if (frame.stream === 0) {
      if (increment === 0) throw new Http2Error('PROTOCOL_ERROR', 'a WINDOW_UPDATE of 0 came');
      writer.window += increment;
      if (writer.window > MAX_WINDOW_BYTES) throw overflow('the connection');
      return;
    }
    const stream = streams.findLate(frame);
    if (!stream) return;
    stream.sendWindow += increment;
    if (increment > 0 && stream.sendWindow <= MAX_WINDOW_BYTES) return;
    const code = increment === 0 ? 'PROTOCOL_ERROR' : 'FLOW_CONTROL_ERROR';
    const what = `its WINDOW_UPDATE broke the request, ${code}`;
    this.#listener.onMalformed(stream, what, ErrorCode[code]);
  }

  #onSettings(frame: Frame): void {
    frame.expectNoStream();
    if (frame.has(Flag.ack)) {
      frame.expectLength(0);
      return;
    }
    const { peer, writer, streams } = this.#session;
    const { headerTableBytes, streamWindowBytes } = peer;
    peer.apply(frame);
    if (peer.headerTableBytes !== headerTableBytes) writer.encoder.resize(peer.headerTableBytes);
    for (const stream of streams) {
      stream.sendWindow += peer.streamWindowBytes - streamWindowBytes;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw overflow(`stream ${stream.id}`);
    }
    this.#answer(settingsAck);
    if (this.#accepted) return;
    this.#accepted = true;
    this.#listener.onAccepted();
  }

  #onPing(frame: Frame): void {
    frame.expectNoStream();
    frame.expectLength(8);
    const payload = frame.copy();
    if (!frame.has(Flag.ack)) this.#answer(makeFrame(FrameType.ping, Flag.ack, 0, payload));
    else if (payload.equals(PING_PAYLOAD)) this.#session.pulse.pingAnswered();
  }

  #onGoAway(frame: Frame): void {
    frame.expectNoStream();
    if (frame.length < 8) throw new Http2Error('FRAME_SIZE_ERROR', 'GOAWAY is cut off');
    const { bytes, start, end } = frame;
    const debug = harmless(
      bytes.toString('latin1', start + 8, Math.min(end, start + 8 + MAX_DEBUG_LENGTH)),
      MAX_DEBUG_LENGTH,
    );
    const reason = `GOAWAY ${nameOfErrorCode(frame.uint32(4))} ${debug}`.trimEnd();
    this.#listener.onGoAway(frame.uint32(0) & MAX_STREAM_ID, reason);
  }

  /** Answers the peer, with the next write. */
  #answer(bytes: Buffer): void {
    const { outbox } = this.#session;
    outbox.push(bytes);
    if (outbox.full && outbox.length > MAX_ANSWER_BYTES) {
      throw new Http2Error('ENHANCE_YOUR_CALM', 'it asks for answers and does not read them');
    }
  }
}

function expectSettings(frame: Frame): void {
  if (frame.type === FrameType.settings && !frame.has(Flag.ack)) return;
  throw new Http2Error('PROTOCOL_ERROR', `${frame} came before SETTINGS`);
}

function overflow(where: string): Http2Error {
  return new Http2Error('FLOW_CONTROL_ERROR', `the window of ${where} overflows`);
}
