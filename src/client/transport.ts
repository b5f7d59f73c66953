/** One XML-RPC attempt over the `xmlrpc` package: with a deadline, a kept-alive connection, and an error of ours for whatever goes wrong. */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import { DaemonUnavailableError, InvalidArgumentError } from '../errors.js';
import { errorOf, Fault } from '../rpc/faults.js';
import { type Failure, failureOf, wasClosedUnderUs } from './failure.js';
import { packages } from './packages.js';
import type { Host } from './settings.js';

export interface AttemptOptions {
  /** In milliseconds, from when the request leaves. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

export class Transport {
  readonly #host: Host;
  /** Absent until the first call. */
  #agent: HttpAgent | undefined;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  /** @throws ApnsdError, or the signal's reason */
  async call(method: string, params: unknown[], options: AttemptOptions): Promise<unknown> {
    options.signal?.throwIfAborted();
    this.#underWay += 1;
    try {
      return await this.#attempt(method, params, options);
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#idle?.();
    }
  }

  /** Lets what is under way finish, then closes the connections. */
  async close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    this.#agent?.destroy();
  }

  async #attempt(
    method: string,
    params: unknown[],
    options: AttemptOptions,
    again = false,
  ): Promise<unknown> {
    const { xmlrpc, http, https } = await packages();
    this.#agent ??= handingOver(this.#host.secure ? https.Agent : http.Agent);
    const agent = this.#agent;
    const { timeoutMs, signal } = options;
    const startedAt = Date.now();
    let request: ClientRequest | undefined;
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (settle: () => void) => {
        over = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const giveUp = (reason: unknown) => {
        finish(() => reject(reason));
        // The package leaves a connection open whose answer it could not read.
        request?.destroy();
      };
      const onSilence = (reason: unknown) => {
        giveUp(reason);
        // Where the network has gone without a word, it took them along.
        dropIdle(agent);
      };
      const onAbort = () => onSilence(signal?.reason);
      const timer = setTimeout(() => {
        const reason = `${this.#host.shown} did not answer in ${timeoutMs} ms`;
        onSilence(new DaemonUnavailableError(reason));
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) return onAbort();
      const onFailure = (error: Failure) => {
        // A request that was given up has an error of its own.
        if (over) return;
        if (again || !request || !wasClosedUnderUs(request, error)) {
          return giveUp(failureOf(error, this.#host.shown));
        }
        // The others may be closed as well.
        dropIdle(agent);
        const left = Math.max(1, timeoutMs - (Date.now() - startedAt));
        const rest = { ...options, timeoutMs: left };
        finish(() => resolve(this.#attempt(method, params, rest, true)));
      };
      try {
        const { connect, path, authorization, tls } = this.#host;
        // A fresh object for each call: the package changes it.
        const requestOptions = {
          ...connect,
          ...tls,
          path,
          headers: authorization === undefined ? {} : { Authorization: authorization },
          agent,
          [handOver]: (made: ClientRequest) => {
            request = made;
            made.prependOnceListener('response', (response) => guardReader(response, onFailure));
          },
        };
        const client = this.#host.secure
          ? xmlrpc.createSecureClient(requestOptions)
          : xmlrpc.createClient(requestOptions);
        client.methodCall(method, params, (error, value) => {
          if (!error) finish(() => resolve(value));
          else if (isFault(error)) {
            finish(() => reject(errorOf(new Fault(error.faultCode, error.faultString))));
          } else onFailure(error as Failure);
        });
      } catch (error) {
        // The package's serializer throws at characters that XML can't carry, and quotes the whole text, which may be a key.
        giveUp(withoutQuote(error as Error));
      }
    });
  }
}

function dropIdle(agent: HttpAgent): void {
  for (const idle of Object.values(agent.freeSockets)) {
    for (const socket of idle ?? []) socket.destroy();
  }
}

function withoutQuote(error: Error): InvalidArgumentError {
  if (error.message.startsWith('Invalid character (')) {
    return new InvalidArgumentError('a parameter has a character that XML can not carry');
  }
  return new InvalidArgumentError(`a parameter can't be sent: ${error.message}`, { cause: error });
}

const handOver = Symbol('handOver');

/**
 * Keeps connections alive, and hands each request to the call that it is for, so that the call can end it: the package
 * has no deadline, and its `signal`, aborted while an answer comes in, ends in an uncaught AbortError.
 */
function handingOver(Agent: typeof HttpAgent): HttpAgent {
  class HandingOver extends Agent {
    addRequest(request: ClientRequest, options: { [handOver]?: (made: ClientRequest) => void }) {
      options[handOver]?.(request);
      // Not in the types, but what every agent package builds upon.
      Reflect.apply(Reflect.get(Agent.prototype, 'addRequest'), this, [request, options]);
    }
  }
  return new HandingOver({ keepAlive: true });
}

/** The package throws at a fault that is no struct, from where nobody could catch it: the end of a stream. */
function guardReader(response: IncomingMessage, onFailure: (error: Failure) => void): void {
  const pipe = response.pipe;
  response.pipe = (reader, options) => {
    const end = reader.end;
    reader.end = () => {
      try {
        Reflect.apply(end, reader, []);
      } catch (error) {
        onFailure(Object.assign(error as Failure, { res: response }));
      }
      return reader;
    };
    return Reflect.apply(pipe, response, [reader, options]);
  };
}

interface FaultLike {
  faultCode: number;
  faultString: string;
}

function isFault(error: object): error is FaultLike {
  return 'faultCode' in error && typeof error.faultCode === 'number';
}
