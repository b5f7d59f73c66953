/** The HTTP front: reads a call, has it answered, writes the answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OverloadedError } from '../errors.js';
import { type Fault, faultOf, INTERNAL } from '../rpc/faults.js';
import { decodeCall, encodeAnswer, encodeFault, type Value } from '../rpc/xml.js';
import type { Log } from './log.js';

export interface FrontOptions {
  host: string;
  port: number;
  /** The largest body, in bytes. */
  maxBodyBytes: number;
  call: (method: string, params: Value[]) => Promise<Value>;
  /** Ends requests that have not come in whole and answers that nobody reads. */
  signal: AbortSignal;
  log: Log;
}

/** A caller that has not sent its request by then gets 408. */
const requestTimeoutMs = 30_000;
/** Longer than callers pause, so that their connections live on; Node's clients are told and let go a second earlier. */
const keepAliveTimeoutMs = 65_000;

export class Front {
  readonly #options: FrontOptions;
  readonly #server: Server;
  readonly #underWay = new Set<Promise<void>>();
  #stopping = false;
  #closed: Promise<void> | undefined;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#server = createServer(
      { requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveTimeoutMs },
      (request, response) => {
        const work = this.#serve(request, response);
        this.#underWay.add(work);
        void work.finally(() => this.#underWay.delete(work));
      },
    );
  }

  /** The address it listens on, once it does. */
  async listen(): Promise<string> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
    // A connection that can't be taken, for want of file descriptors say, is no reason to let the others down.
    this.#server.on('error', ({ message }) =>
      this.#options.log('connection lost', { reason: message }),
    );
    const { address, family, port: taken } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
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
    if (request.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      refuse(response, 405, 'an XML-RPC call is a POST');
      return;
    }
    const { maxBodyBytes, signal } = this.#options;
    const body = await readBody(request, maxBodyBytes, signal);
    if (body === 'cut short') return;
    if (body === 'too large') {
      refuse(response, 413, `the body is over ${maxBodyBytes} bytes`);
      return;
    }
    const answer = Buffer.from(await this.#call(body, request.headers['content-type']));
    if (this.#stopping) response.setHeader('Connection', 'close');
    response.writeHead(200, { 'Content-Type': 'text/xml', 'Content-Length': answer.length });
    // Ended only when it is out: a server that closes cuts off what has ended, whether it has been read or not.
    if (!response.write(answer)) await readOut(response, signal);
    response.end();
  }

  async #call(body: Buffer, contentType: string | undefined): Promise<string> {
    try {
      if (this.#stopping) throw new OverloadedError('the daemon is shutting down');
      const { method, params } = decodeCall(body, contentType);
      return encodeAnswer(await this.#options.call(method, params));
    } catch (error) {
      const fault: Fault = faultOf(error);
      this.#logFault(fault);
      return encodeFault(fault);
    }
  }

  #logFault({ faultCode, message, cause }: Fault): void {
    const internal = faultCode === INTERNAL && cause instanceof Error ? { stack: cause.stack } : {};
    this.#options.log('fault', { faultCode, reason: message, ...internal });
  }
}

/**
 * 'cut short': the caller hung up, and there is nobody to answer. What is too large is read to its end all the same,
 * and thrown away: most callers listen to no answer before they have sent everything.
 */
async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer | 'cut short' | 'too large'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (result: Buffer | 'cut short' | 'too large') => {
      signal.removeEventListener('abort', cut);
      resolve(result);
    };
    const cut = () => {
      request.destroy();
      finish('cut short');
    };
    signal.addEventListener('abort', cut, { once: true });
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) chunks.length = 0;
      else chunks.push(chunk);
    });
    request.once('end', () => finish(bytes > maxBytes ? 'too large' : Buffer.concat(chunks)));
    request.once('error', cut);
    request.once('close', () => finish('cut short'));
  });
}

/** Resolves when the answer is in the system's hands, or there is nobody left to take it. */
async function readOut(response: ServerResponse, signal: AbortSignal): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    response.once('drain', done);
    response.once('close', done);
  });
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${reason}\n`);
}
