/** One client's connection to the simulator: its HTTP/2 session, its credentials, its stream limit. */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Identity, Refusal } from './checks.js';

/** A request as it came, whole. */
export interface Arrival {
  connection: Connection;
  stream: ServerHttp2Stream;
  /** Pseudo headers too, names in lower case; repeated ones joined by a comma. */
  headers: Record<string, string>;
  repeated: string[];
  /** Of a body beyond 64 KiB only the first part is kept. */
  body: Buffer;
}

/** The connection takes no request any more, and closes once all answers are out. */
export interface GoAway {
  /**
   * The last stream id that is still answered; requests above it are dropped. `'all'`: all that have arrived are
   * answered. `'none'`: all that are not recorded yet are dropped. A number is told as it is: it must be odd, or 0,
   * and what is under way and not above it waits for ever.
   * @default 'all'
   */
  lastStreamId?: 'all' | 'none' | number;
  /** HTTP/2 error code. @default 0 (NO_ERROR) */
  code?: number;
  /** Apple's is JSON with a reason, if any. @default '' */
  debugData?: string;
}

const maxBody = 64 * 1024;

export class Connection {
  /** Counted from 1. */
  readonly number: number;
  /** Requests that have no answer yet. */
  readonly open = new Set<ServerHttp2Stream>();
  readonly #socket: TLSSocket;
  readonly #session: ServerHttp2Session;
  /** With a client certificate, or once a valid provider token was seen. */
  #authenticated: boolean;
  #keyId: string | undefined;
  readonly #coldStreams: number;
  #limit: number;
  readonly #recorded = new WeakSet<ServerHttp2Stream>();
  #lastRecorded = 0;
  #closing = false;

  constructor(
    socket: TLSSocket,
    options: {
      number: number;
      maxConcurrentStreams: number;
      /** As long as neither certificate nor valid token was seen. */
      coldStreams: number;
      hasCertificate: boolean;
      onArrival: (arrival: Arrival) => void;
      onChange: () => void;
      onClose: () => void;
    },
  ) {
    this.number = options.number;
    this.#socket = socket;
    this.#authenticated = options.hasCertificate;
    this.#coldStreams = options.coldStreams;
    this.#limit = options.maxConcurrentStreams;
    // The socket's own errors, resets above all, are the client's right.
    socket.on('error', () => {});
    const settings = { maxConcurrentStreams: this.#allowed() };
    // Not in node's types; beyond its ten, a test that changes the limit quickly would lose the connection.
    const patience = { maxOutstandingSettings: 1000 };
    this.#session = performServerHandshake(socket, { settings, ...patience });
    // A client that breaks the protocol loses its connection, nobody else's.
    this.#session.on('error', () => {});
    this.#session.on(
      'stream',
      (stream: ServerHttp2Stream, ...[, , raw]: [unknown, unknown, string[]]) => {
        this.open.add(stream);
        stream.on('error', () => {});
        stream.once('close', () => {
          this.#forget(stream);
          options.onChange();
        });
        collectBody(stream, (body) => {
          options.onArrival({ connection: this, stream, body, ...readHeaders(raw) });
        });
        options.onChange();
      },
    );
    this.#session.once('close', () => {
      options.onClose();
      options.onChange();
    });
  }

  /** What the credentials are worth on this connection; the first valid token opens it to more streams. */
  admit(sender: Identity | Refusal): Identity | Refusal {
    if ('reason' in sender || sender.keyId === undefined) return sender;
    if (this.#keyId !== undefined && this.#keyId !== sender.keyId) {
      return { status: 403, reason: 'UnrelatedKeyIdInToken' };
    }
    this.#keyId = sender.keyId;
    if (!this.#authenticated) {
      this.#authenticated = true;
      this.limitStreams(this.#limit);
    }
    return sender;
  }

  /** From here on no GOAWAY with `'none'` says that the request was not processed. */
  noteRecorded(stream: ServerHttp2Stream): void {
    this.#recorded.add(stream);
    this.#lastRecorded = Math.max(this.#lastRecorded, stream.id ?? 0);
  }

  answer(stream: ServerHttp2Stream, headers: Record<string, string | number>, body: string): void {
    // node's types don't know sendDate; Apple sends no date.
    const options = { endStream: body === '', sendDate: false };
    stream.respond(headers, options);
    if (body !== '') stream.end(body);
    this.#forget(stream);
  }

  /** Tells the client by a new SETTINGS frame; an unauthenticated one stays at its cold streams at most. */
  limitStreams(limit: number): void {
    this.#limit = limit;
    if (!this.#session.destroyed) {
      this.#session.settings({ maxConcurrentStreams: this.#allowed() });
    }
  }

  goAway({ lastStreamId = 'all', code = 0, debugData = '' }: GoAway): void {
    if (this.#session.destroyed) return;
    const last = lastStreamId === 'none' ? this.#lastRecorded : lastStreamId;
    // node:http2 takes 0 for the last id seen, so the least it can be told is 1.
    this.#session.goaway(code, last === 'all' ? 0 : Math.max(last, 1), Buffer.from(debugData));
    // What the last id does not drop is refused stream by stream, which tells the client the same.
    for (const stream of this.open) {
      const dropped = lastStreamId === 'none' ? !this.#recorded.has(stream) : last === 0;
      if (dropped) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    }
    this.#closing = true;
    this.#closeIfDone();
  }

  /** Cuts the connection without a word. */
  hangUp(): void {
    this.#socket.destroy();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #allowed(): number {
    return this.#authenticated ? this.#limit : Math.min(this.#coldStreams, this.#limit);
  }

  #forget(stream: ServerHttp2Stream): void {
    this.open.delete(stream);
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#closing && this.open.size === 0) this.#session.close();
  }
}

function collectBody(stream: ServerHttp2Stream, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxBody) chunks.push(chunk);
    size += chunk.length;
  });
  stream.once('end', () => {
    // A stream that was reset ends too.
    if (!stream.aborted) done(Buffer.concat(chunks));
  });
}

/** node:http2 drops or joins repeated headers, each by its own rule: the raw list tells them all. */
function readHeaders(raw: string[]): Pick<Arrival, 'headers' | 'repeated'> {
  const headers: Record<string, string> = {};
  const repeated: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const value = raw[i + 1] ?? '';
    const again = Object.hasOwn(headers, name);
    if (again) repeated.push(name);
    headers[name] = again ? `${headers[name]}, ${value}` : value;
  }
  return { headers, repeated };
}
