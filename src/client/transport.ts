/** One XML-RPC attempt over the `xmlrpc` package: with a deadline, a kept-alive connection, and an error of ours for whatever goes wrong. */
import { type ClientRequest, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import {
  type ApnsdError,
  AuthenticationError,
  DaemonUnavailableError,
  InvalidArgumentError,
} from '../errors.js';
import { errorOf, Fault } from '../rpc/faults.js';
import type { Host } from './settings.js';

export interface AttemptOptions {
  /** In milliseconds, from when the request leaves. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Loaded at the first call: the import takes some 40 ms. */
let xmlrpcPackage: Promise<{ default: typeof import('xmlrpc') }> | undefined;

export class Transport {
  readonly #host: Host;
  readonly #agent: HttpAgent;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(host: Host) {
    this.#host = host;
    const Agent = handingOver(host.secure ? HttpsAgent : HttpAgent);
    this.#agent = new Agent({ keepAlive: true });
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
    this.#agent.destroy();
  }

  async #attempt(method: string, params: unknown[], options: AttemptOptions): Promise<unknown> {
    xmlrpcPackage ??= import('xmlrpc');
    const { default: xmlrpc } = await xmlrpcPackage;
    const { timeoutMs, signal } = options;
    let request: ClientRequest | undefined;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const giveUp = (reason: unknown) => {
        finish(() => reject(reason));
        // The package leaves a connection open whose answer it could not read.
        request?.destroy();
      };
      const onAbort = () => giveUp(signal?.reason);
      const timer = setTimeout(() => {
        giveUp(new DaemonUnavailableError(`${this.#host.shown} did not answer in ${timeoutMs} ms`));
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) return onAbort();
      try {
        const { connect, path, authorization, tls } = this.#host;
        // A fresh object for each call: the package changes it.
        const requestOptions = {
          ...connect,
          ...tls,
          path,
          headers: authorization === undefined ? {} : { Authorization: authorization },
          agent: this.#agent,
          [handOver]: (made: ClientRequest) => {
            request = made;
          },
        };
        const client = this.#host.secure
          ? xmlrpc.createSecureClient(requestOptions)
          : xmlrpc.createClient(requestOptions);
        client.methodCall(method, params, (error, value) => {
          if (!error) finish(() => resolve(value));
          else if (isFault(error)) {
            finish(() => reject(errorOf(new Fault(error.faultCode, error.faultString))));
          } else giveUp(failureOf(error as Failure, this.#host.shown));
        });
      } catch (error) {
        // The package's serializer throws at characters that XML can't carry, and quotes the whole text, which may be a key.
        giveUp(withoutQuote(error as Error));
      }
    });
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
 * An agent that hands each request to the call that it is for, so that the call can end it: the package has no
 * deadline, and its `signal`, aborted while an answer comes in, ends in an uncaught AbortError.
 */
function handingOver(Agent: typeof HttpAgent): typeof HttpAgent {
  return class extends Agent {
    addRequest(request: ClientRequest, options: { [handOver]?: (made: ClientRequest) => void }) {
      options[handOver]?.(request);
      // Not in the types, but what every agent package builds upon.
      Reflect.apply(Reflect.get(Agent.prototype, 'addRequest'), this, [request, options]);
    }
  };
}

interface FaultLike {
  faultCode: number;
  faultString: string;
}

function isFault(error: object): error is FaultLike {
  return 'faultCode' in error && typeof error.faultCode === 'number';
}

type Failure = NodeJS.ErrnoException & { res?: { statusCode?: number } };

function failureOf(error: Failure, host: string): ApnsdError {
  const status = error.res?.statusCode ?? 200;
  const cause = { cause: error };
  if (status === 401 || status === 403) {
    return new AuthenticationError(
      `${host} answered HTTP ${status}: wrong or missing secret`,
      cause,
    );
  }
  if (status === 408 || status === 413 || status === 415) {
    return new InvalidArgumentError(`${host} answered HTTP ${status}`, cause);
  }
  if (status !== 200) return new DaemonUnavailableError(`${host} answered HTTP ${status}`, cause);
  if (error.res && error.code === undefined) {
    return new DaemonUnavailableError(`${host} answered what is not XML-RPC`, cause);
  }
  const reason = error.message || error.code;
  return new DaemonUnavailableError(`${host} can't be reached: ${reason}`, cause);
}
