/** The HTTP front: reads a call, has it answered, writes the answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { DropArgument } from 'node:net';
import { OverloadedError } from '../../errors.js';
import { boundedLog } from '../../log.js';
import {
  type Call,
  decodeCall,
  encodeFault,
  type Value,
  type Writable,
  Written,
} from '../../rpc/xml.js';
import type { Log } from '../config/json-log.js';
import type { Limits } from '../config/limits.js';
import { type Address, bind, urlOf } from '../config/listen.js';
import type { Secrets } from '../config/secrets.js';
import type { TlsOptions } from '../config/settings.js';
import { type CallContext, loggedFault } from '../methods/method.js';
import { type Refusal, refusalOf } from './access.js';
import { AnswerWriter } from './answer-writer.js';
import { free, readBody, writeAnswer } from './body.js';
import { signalOf } from './caller.js';
import { CallInFlight, InFlight } from './in-flight.js';
import { Turns } from './turns.js';

export interface FrontOptions {
  address: Address;
  keys: Keys;
  limits: Limits;
  /** The clock that dates in answers show. */
  time: 'local' | 'utc';
  call: (
    method: string,
    params: Value[],
    context: Pick<CallContext, 'whenLost' | 'answer' | 'callerSignal'>,
  ) => Promise<Writable>;
  /** Ends requests that have not come in whole and answers that nobody reads. */
  signal: AbortSignal;
  log: Log;
}

/** What daemon and callers prove themselves with. */
export interface Keys {
  tls: TlsOptions | undefined;
  secrets: Secrets | undefined;
}

/** Longer than callers pause, so that their connections live on; Node's clients are told and let go a second earlier. */
const keepAliveTimeoutMs = 65_000;
/** Longer bodies are read one by one, and their memory is freed at once, which takes some microseconds. */
const LONG_BODY = 64 * 1024;
/** How often Node looks for callers that are too slow. */
const lookEveryMs = 1000;

export class HttpServer {
  readonly #options: FrontOptions;
  readonly #server: Server | TlsServer;
  readonly #inFlight: InFlight;
  readonly #turns = new Turns();
  readonly #underWay = new Set<Promise<void>>();
  /** At most a line a second, however many knock. */
  readonly #logRefusal: Log;
  #keys: Keys;
  #stopping = false;
  #closed: Promise<void> | undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#inFlight = new InFlight(options.limits);
    this.#logRefusal = boundedLog(options.log, 1000);
    const { headersTimeoutMs, requestTimeoutMs, maxConnections } = options.limits;
    const timeouts = {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(lookEveryMs, headersTimeoutMs),
      keepAliveTimeout: keepAliveTimeoutMs,
    };
    const { tls } = options.keys;
    this.#server = tls
      ? createTlsServer({ ...timeouts, ...contextOf(tls), handshakeTimeout: headersTimeoutMs })
      : createServer(timeouts);
    this.#server.maxConnections = maxConnections;
    this.#server.on('drop', (dropped?: DropArgument) => {
      const reason = `there are ${maxConnections} connections already`;
      this.#logRefusal('connection refused', { reason, from: dropped?.remoteAddress });
    });
    this.#server.on('tlsClientError', ({ message }: Error) =>
      this.#logRefusal('handshake failed', { reason: message }),
    );
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const work = this.#serve(request, response);
      this.#underWay.add(work);
      void work.finally(() => this.#underWay.delete(work));
    });
  }

  /** The address it listens on, once it does. */
  async listen(): Promise<string> {
    await bind(this.#server, this.#options.address);
    // A connection that can't be taken, for want of file descriptors say, is no reason to let the others down.
    this.#server.on('error', ({ message }) =>
      this.#options.log('connection lost', { reason: message }),
    );
    return urlOf(this.#server, this.#keys.tls !== undefined);
  }

  /** From the next call on, and with TLS from the next connection on. */
  change(keys: Keys): void {
    this.#keys = keys;
    if (keys.tls) (this.#server as TlsServer).setSecureContext(contextOf(keys.tls));
  }

  /** Takes no more connections, answers new calls with fault 503, and resolves when those under way are answered. */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.#closed = new Promise((resolve) => this.#server.close(() => resolve()));
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Ends the connections that are left, after {@link drain}. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await this.#closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { tls, secrets } = this.#keys;
    const door = { secrets, clientCertificates: tls?.clientCa !== undefined };
    const call = new CallInFlight(this.#inFlight, refusalOf(request, door));
    const body = await readBody(request, (bytes) => call.keeps(bytes), this.#options.signal);
    const { refusal } = call;
    if (body) {
      if (refusal && 'status' in refusal) this.#refuse(response, refusal);
      else await this.#answer(response, body, call);
    }
    call.end();
  }

  #refuse(response: ServerResponse, { status, reason, headers }: Refusal): void {
    this.#logRefusal('refused', { status, reason, from: response.req.socket.remoteAddress });
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
    response.end(`${reason}\n`);
  }

  async #answer(response: ServerResponse, body: Buffer, call: CallInFlight): Promise<void> {
    const { limits, signal } = this.#options;
    const undo: (() => void)[] = [];
    const { pieces, bytes } = await this.#call(response.req, body, call, undo);
    if (this.#stopping) response.setHeader('Connection', 'close');
    response.writeHead(200, {
      'Content-Type': 'text/xml',
      'Content-Length': bytes,
    });
    // Ended only when it is out: a server that closes cuts off what has ended, whether it has been read or not.
    const { requestTimeoutMs } = limits;
    const taken = await writeAnswer(response, pieces, requestTimeoutMs, signal, (bytes) =>
      call.giveBack(bytes),
    );
    response.end();
    if (!taken) for (const each of undo) each();
  }

  /** @param undo gets what is to be done if the answer is lost */
  async #call(
    request: IncomingMessage,
    body: Buffer,
    inFlight: CallInFlight,
    undo: (() => void)[],
  ): Promise<Written> {
    const { call, time, log } = this.#options;
    try {
      if (inFlight.refusal) throw inFlight.refusal;
      if (this.#stopping) throw new OverloadedError('the daemon is shutting down');
      const turn = this.#turns.arrive();
      if (body.length > LONG_BODY) await turn();
      const { method, params } = this.#decode(request, body);
      const whenLost = (what: () => void) => undo.push(what);
      const answer = new AnswerWriter({ time, room: inFlight, turn });
      const callerSignal = () => signalOf(request.socket);
      return await answer.whole(await call(method, params, { whenLost, answer, callerSignal }));
    } catch (error) {
      for (const each of undo.splice(0)) each();
      inFlight.dropAnswer();
      const fault = encodeFault(loggedFault(error, log));
      return new Written([fault], Buffer.byteLength(fault));
    }
  }

  /** Whether it can be decoded or not, the body is not needed afterwards. */
  #decode({ headers }: IncomingMessage, body: Buffer): Call {
    const { maxDepth, maxValues, maxNameLength, maxTextLength } = this.#options.limits;
    try {
      return decodeCall(body, headers['content-type'], {
        depth: maxDepth,
        values: maxValues,
        nameLength: maxNameLength,
        textLength: maxTextLength,
      });
    } finally {
      if (body.length > LONG_BODY) free(body);
    }
  }
}

function contextOf({ cert, key, clientCa }: TlsOptions) {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2' as const,
    // The door judges certificates: a status tells a caller more than a connection that breaks off.
    ...(clientCa !== undefined && {
      ca: [clientCa].flat(),
      requestCert: true,
      rejectUnauthorized: false,
    }),
  };
}
