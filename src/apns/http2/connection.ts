/** One HTTP/2 connection to a gateway (RFC 9113), made for many small requests and nothing else. */
import { isIP } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { ApnsUnavailableError, InvalidArgumentError } from '../../errors.js';
import { expired } from '../../notification/expiration.js';
import { HEADER_TABLE_BYTES } from './codec/dynamic-table.js';
import {
  ErrorCode,
  FrameType,
  Http2Error,
  INITIAL_WINDOW_BYTES,
  MAX_STREAM_ID,
  makeFrame,
  nameOfErrorCode,
  PING_PAYLOAD,
  PREFACE,
  Setting,
  settingsPayload,
  uint32,
  windowUpdate,
} from './codec/frames.js';
import { CONNECTION_WINDOW_BYTES, FrameHandler, type FrameListener } from './frame-handler.js';
import { Keepalive } from './keepalive.js';
import type { Limits } from './limits.js';
import { PeerSettings } from './peer-settings.js';
import type { PendingRequest } from './pending-request.js';
import { RequestWriter } from './request-writer.js';
import { MAX_HEADER_LIST_BYTES } from './response.js';
import type { SlowStart } from './slow-start.js';
import { type Stream, Streams } from './stream.js';
import { WriteBuffer } from './write-buffer.js';

/** Where a connection leads, and as whom. */
export interface Gateway {
  host: string;
  port: number;
  /** The `:authority` of every request. */
  authority: string;
  secureContext: SecureContext;
  /** True where a client certificate is shown. */
  hasCertificate: boolean;
  /** With token credentials: asked for each request. */
  authorization: (() => string) | undefined;
}

/** Who hands out the requests, and hears how the connection fares. */
export interface Owner {
  /** The next request for this connection, if one waits. */
  next(connection: Connection): PendingRequest | undefined;
  hasWaiting(): boolean;
  /** Certainly not processed here. */
  giveBack(exchange: PendingRequest, cause: Error): void;
  /** The gateway's SETTINGS came. */
  opened(connection: Connection): void;
  /** Its first answer came. */
  worked(connection: Connection): void;
  /** It takes no new request any more; those under way go on. */
  draining(connection: Connection, reason: string): void;
  /** It is over; without an error where it was to be. */
  closed(connection: Connection, error: Error | undefined): void;
  /** Nothing has been under way for so long. */
  idle(connection: Connection, idleMs: number): void;
  /** What bounds the streams of a new connection, if the last one was cut. */
  slowStart(): SlowStart | undefined;
}

type State =
  | { phase: 'dialling'; timer: NodeJS.Timeout }
  | { phase: 'open'; watch: NodeJS.Timeout }
  | { phase: 'draining'; watch: NodeJS.Timeout }
  | { phase: 'closed' };

/** A TLS record is 16 KiB at most. */
const READ_BUFFER_BYTES = 64 * 1024;
const ourSettings = settingsPayload([
  // The default, said all the same: nginx, for one, then says that it has no table of its own and leaves ours empty.
  [Setting.headerTableSize, HEADER_TABLE_BYTES],
  [Setting.enablePush, 0],
  [Setting.maxHeaderListSize, MAX_HEADER_LIST_BYTES],
]);
const hello = Buffer.concat([
  PREFACE,
  makeFrame(FrameType.settings, 0, 0, ourSettings),
  windowUpdate(0, CONNECTION_WINDOW_BYTES - INITIAL_WINDOW_BYTES),
]);

export class Connection implements FrameListener {
  readonly id: number;
  /** Resolves when the socket is gone. */
  readonly gone: Promise<void>;
  /** How many requests were answered. */
  answered = 0;
  /** How many had left and had no answer when it ended. */
  lost = 0;
  /** True where we let it go: that it ends says nothing of the gateway. */
  dismissed = false;
  readonly #gateway: Gateway;
  readonly #limits: Limits;
  readonly #owner: Owner;
  readonly #socket: TLSSocket;
  readonly #outbox: WriteBuffer;
  readonly #writer: RequestWriter;
  readonly #pulse: Keepalive;
  readonly #peer = new PeerSettings();
  readonly #streams = new Streams();
  readonly #receiver: FrameHandler;
  readonly #cancel = (stream: Stream) => this.#reset(stream, ErrorCode.CANCEL);
  #state: State;
  #awake = false;
  /** Apple allows one stream until it has seen a valid token. */
  #proven: boolean;
  #slowStart: SlowStart | undefined;

  constructor(id: number, gateway: Gateway, limits: Limits, owner: Owner) {
    this.id = id;
    this.#gateway = gateway;
    this.#limits = limits;
    this.#owner = owner;
    this.#proven = gateway.authorization === undefined;
    this.#socket = this.#dial();
    this.#outbox = new WriteBuffer(this.#socket);
    this.#writer = new RequestWriter(
      this.#outbox,
      this.#peer,
      gateway.authority,
      limits.maxWriteBytes,
    );
    this.#pulse = new Keepalive(limits);
    const session = {
      streams: this.#streams,
      writer: this.#writer,
      peer: this.#peer,
      pulse: this.#pulse,
      outbox: this.#outbox,
    };
    this.#receiver = new FrameHandler(session, limits.maxResponseBytes, this);
    this.gone = new Promise((resolve) => this.#socket.on('close', resolve));
    const timer = setTimeout(() => this.#onConnectTimeout(), limits.connectTimeoutMs);
    this.#state = { phase: 'dialling', timer: timer.unref() };
  }

  get phase(): State['phase'] {
    return this.#state.phase;
  }

  get busy(): boolean {
    return this.#streams.size > 0;
  }

  /** True where it carries all it can, once it is used to requests. */
  get full(): boolean {
    return this.#proven && this.#ownLimit >= this.#limits.maxStreams && !this.#hasRoom();
  }

  /** Sends what waits, in one write. */
  pump(): void {
    this.#awake = false;
    if (this.#state.phase === 'closed' || this.#outbox.full) return;
    this.#writer.resume();
    while (this.#hasRoom()) {
      const exchange = this.#owner.next(this);
      if (!exchange) break;
      this.#open(exchange);
    }
    const unfinished = this.#outbox.length >= this.#limits.maxWriteBytes;
    this.#outbox.flush();
    if (unfinished) this.#wake();
  }

  /** Takes no new requests, and closes when those under way are over. */
  drain(reason: string): void {
    this.dismissed = true;
    if (this.#state.phase === 'dialling') this.#end(undefined);
    else this.#drain(MAX_STREAM_ID, reason);
  }

  // Sending

  #dial(): TLSSocket {
    const { host, port, secureContext } = this.#gateway;
    const servername = isIP(host) ? '' : host;
    // `onread` goes past the stream machinery, which costs more than all that we do with the bytes;
    // that tls.connect takes it as net.connect does is documented, but missing in the types.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
      callback: (length: number, bytes: Buffer) => this.#onRead(bytes, length),
    };
    const options = { host, port, servername, secureContext, ALPNProtocols: ['h2'], onread };
    const socket = connect(options);
    // What keeps the process alive is a waiting request, not a socket.
    socket.unref();
    socket.setNoDelay(true);
    socket.on('secureConnect', () => this.#onSecure());
    socket.on('drain', () => this.#wake());
    socket.on('error', (error) => this.#end(this.#describe(messageOf(error), error)));
    socket.on('end', () => this.#end(this.#hungUp()));
    socket.on('close', () => this.#end(this.#hungUp()));
    return socket;
  }

  /** Sends what waits when this tick has brought it all. */
  #wake(): void {
    if (this.#awake || this.#state.phase === 'closed') return;
    this.#awake = true;
    setImmediate(() => this.pump());
  }

  /** Streams that we open at once, whatever more the gateway allows. */
  get #ownLimit(): number {
    if (!this.#proven) return 1;
    const { maxStreams } = this.#limits;
    return this.#slowStart ? Math.min(this.#slowStart.streams, maxStreams) : maxStreams;
  }

  #hasRoom(): boolean {
    return (
      this.#state.phase === 'open' &&
      this.#streams.size < Math.min(this.#peer.maxStreams, this.#ownLimit) &&
      this.#writer.hasRoom &&
      !this.#outbox.full
    );
  }

  #open(exchange: PendingRequest): void {
    const tooLate = expired(exchange.expiration);
    if (tooLate) {
      exchange.settle({ kind: 'unsent', cause: tooLate });
      return;
    }
    let authorization: string | undefined;
    try {
      authorization = this.#gateway.authorization?.();
    } catch (error) {
      const cause = new ApnsUnavailableError('no provider token could be made', { cause: error });
      exchange.settle({ kind: 'unsent', cause });
      return;
    }
    const headerBytes = this.#writer.headerBytes(exchange.request, authorization);
    if (headerBytes > this.#peer.headerListBytes) {
      const what = `headers of ${headerBytes} bytes are too long, the gateway takes ${this.#peer.headerListBytes}`;
      exchange.settle({ kind: 'unsent', cause: new InvalidArgumentError(what) });
      return;
    }
    if (this.#streams.size === 0) this.#pulse.asked();
    const stream = this.#streams.add(exchange, this.#peer.streamWindowBytes, this.#cancel);
    this.#writer.write(stream, headerBytes, authorization);
    if (this.#streams.next > this.#limits.lastStreamId) {
      this.#drain(MAX_STREAM_ID, 'its stream ids are used up');
    }
  }

  /** Ends a stream from our side. */
  #reset(stream: Stream, code: number): void {
    if (!this.#streams.cancel(stream)) return;
    this.#writer.abandon(stream);
    this.#outbox.push(makeFrame(FrameType.resetStream, 0, stream.id, uint32(code)));
    this.#wake();
    this.#endIfDone();
  }

  // Receiving

  #onSecure(): void {
    if (speaksHttp2(this.#socket)) {
      this.#outbox.push(hello);
      this.#outbox.flush();
    } else {
      const chosen = this.#socket.alpnProtocol;
      this.#end(this.#describe(`it does not speak HTTP/2 (of ALPN it chose ${chosen})`));
    }
  }

  /** True: go on reading. */
  #onRead(bytes: Buffer, length: number): boolean {
    if (this.#state.phase === 'closed') return true;
    try {
      this.#receiver.push(bytes, length);
      this.#wake();
      this.#endIfDone();
    } catch (error) {
      if (!(error instanceof Http2Error)) throw error;
      this.#end(this.#describe(`it broke the protocol, ${error.message}`, error), error.code);
    }
    return true;
  }

  onAnswer(stream: Stream): void {
    const { head, exchange, body } = stream;
    if (!head) return;
    this.answered += 1;
    if (this.answered === 1) this.#owner.worked(this);
    this.#slowStart?.onAnswer();
    if (head.status !== 403) this.#proven = true;
    // It may have come before the whole request was sent, or be cut short: the rest is not wanted.
    if (stream.sent && !stream.cutShort) this.#streams.remove(stream);
    else this.#reset(stream, ErrorCode.NO_ERROR);
    const { status, headers } = head;
    exchange.settle({ kind: 'response', status, headers, body, connection: this.id });
  }

  onMalformed(stream: Stream, what: string, code: number): void {
    this.#reset(stream, code);
    this.#lose(stream, this.#describe(what));
  }

  onReset(stream: Stream, code: number): void {
    this.#streams.remove(stream);
    this.#writer.abandon(stream);
    const cause = this.#describe(`it reset the request, ${nameOfErrorCode(code)}`);
    if (code === ErrorCode.REFUSED_STREAM) this.#onRefused(stream.exchange, cause);
    else this.#lose(stream, cause);
  }

  #onRefused(exchange: PendingRequest, cause: Error): void {
    exchange.refusals += 1;
    exchange.avoid = this.id;
    if (exchange.refusals < this.#limits.maxRefusals) this.#owner.giveBack(exchange, cause);
    else exchange.settle({ kind: 'unsent', cause });
  }

  /** A request that ends without an answer: sent again if it was certainly not processed. */
  #lose(stream: Stream, cause: Error): void {
    if (stream.sent) stream.exchange.settle({ kind: 'unknown', cause });
    else this.#owner.giveBack(stream.exchange, cause);
  }

  // Its life

  onAccepted(): void {
    if (this.#state.phase === 'dialling') clearTimeout(this.#state.timer);
    const watch = setInterval(() => this.#watch(), this.#pulse.everyMs);
    this.#state = { phase: 'open', watch: watch.unref() };
    this.#slowStart = this.#owner.slowStart();
    this.#owner.opened(this);
  }

  onGoAway(lastStream: number, reason: string): void {
    this.#drain(lastStream, reason);
  }

  #drain(lastStream: number, reason: string): void {
    const state = this.#state;
    if (state.phase === 'open') this.#state = { phase: 'draining', watch: state.watch };
    const cause = this.#describe(reason);
    for (const stream of this.#streams.removeAbove(lastStream)) {
      this.#writer.abandon(stream);
      this.#owner.giveBack(stream.exchange, cause);
    }
    if (state.phase === 'open') this.#owner.draining(this, reason);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#state.phase === 'draining' && this.#streams.size === 0) this.#end(undefined);
  }

  #watch(): void {
    const busy = this.#streams.size > 0;
    const wanted = this.#state.phase === 'open' && this.#owner.hasWaiting();
    switch (this.#pulse.check(busy, wanted)) {
      case 'stalled':
        this.#end(this.#describe(`it answered nothing for ${this.#limits.stallMs} ms`));
        break;
      case 'ping unanswered':
        this.#end(this.#describe(`PING had no answer for ${this.#limits.pingTimeoutMs} ms`));
        break;
      case 'must ping':
        this.#pulse.pingSent();
        this.#outbox.push(makeFrame(FrameType.ping, 0, 0, PING_PAYLOAD));
        this.#wake();
        break;
      case 'well':
        if (!busy) this.#owner.idle(this, this.#pulse.idleMs);
    }
  }

  #onConnectTimeout(): void {
    this.#end(this.#describe(`no SETTINGS came within ${this.#limits.connectTimeoutMs} ms`));
  }

  /** The one way out; whatever comes after it changes nothing. */
  #end(error: Error | undefined, code: number = ErrorCode.NO_ERROR): void {
    const state = this.#state;
    if (state.phase === 'closed') return;
    this.#state = { phase: 'closed' };
    this.#receiver.close();
    if (state.phase === 'dialling') clearTimeout(state.timer);
    else clearInterval(state.watch);
    this.#hangUp(code);
    for (const stream of this.#streams.removeAbove(0)) {
      if (stream.sent) this.lost += 1;
      this.#lose(stream, error ?? this.#describe('closed'));
    }
    this.#owner.closed(this, error);
  }

  #hangUp(code: number): void {
    const socket = this.#socket;
    if (!speaksHttp2(socket) || socket.destroyed) {
      socket.destroy();
      return;
    }
    const payload = Buffer.concat([uint32(0), uint32(code)]);
    this.#outbox.push(makeFrame(FrameType.goAway, 0, 0, payload));
    this.#outbox.flush();
    socket.destroySoon();
    const timer = setTimeout(() => socket.destroy(), this.#limits.closeTimeoutMs);
    socket.on('close', () => clearTimeout(timer));
  }

  #hungUp(): Error {
    if (this.#state.phase !== 'dialling') return this.#describe('it closed the connection');
    // Under TLS 1.3 a gateway that refuses a client certificate just hangs up.
    const perhaps = this.#gateway.hasCertificate
      ? ', as it does to refuse a client certificate'
      : '';
    return this.#describe(`it closed the connection before its SETTINGS came${perhaps}`);
  }

  #describe(what: string, cause?: Error): ApnsUnavailableError {
    const message = `gateway ${this.#gateway.authority}: ${what}`;
    return new ApnsUnavailableError(message, cause && { cause });
  }
}

/** Also one that chose no protocol, as Apple's clients have it; before TLS is set up, nobody does. */
function speaksHttp2({ alpnProtocol }: TLSSocket): boolean {
  return alpnProtocol === 'h2' || alpnProtocol === false;
}

/** Of a host with several addresses each was tried, and the error as a whole says nothing. */
function messageOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message;
  return error.errors.map(({ message }) => message).join(', ');
}
