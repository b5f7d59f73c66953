/** Calls the daemon's methods: in XML by the package `xmlrpc`, over `node:http`. */

import type { Host } from '../config/settings.js';
import { Wire } from './connections.js';
import { packages } from './packages.js';
import type { AttemptOptions } from './request-options.js';
import { Exchange } from './rpc-request.js';

export class Transport {
  readonly #host: Host;
  readonly #maxAnswerBytes: () => number;
  /** Absent until the first call. */
  #wire: Wire | undefined;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(host: Host, maxAnswerBytes: () => number) {
    this.#host = host;
    this.#maxAnswerBytes = maxAnswerBytes;
  }

  /** @throws ApnsdError, or the signal's reason */
  async call(method: string, params: unknown[], options: AttemptOptions): Promise<unknown> {
    options.signal?.throwIfAborted();
    this.#underWay += 1;
    try {
      const loaded = await packages();
      this.#wire ??= new Wire(this.#host, this.#maxAnswerBytes, loaded);
      return await attempt(this.#wire, method, params, options);
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
    this.#wire?.close();
  }
}

/** Where a kept connection was closed under it, the request is repeated, once. */
async function attempt(
  wire: Wire,
  method: string,
  params: unknown[],
  options: AttemptOptions,
): Promise<unknown> {
  const startedAt = performance.now();
  const first = new Exchange(wire, method, params, options);
  try {
    return await first.answer;
  } catch (error) {
    if (!first.closedUnderUs) throw error;
  }
  // The others may be closed as well.
  wire.dropIdle();
  const timeoutMs = Math.max(1, options.timeoutMs - (performance.now() - startedAt));
  return new Exchange(wire, method, params, { ...options, timeoutMs }).answer;
}
