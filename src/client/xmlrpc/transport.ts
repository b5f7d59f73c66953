/** Calls the daemon's methods: in XML by the package `xmlrpc`, over `node:http`. */

import type { Host } from '../config/settings.js';
import { DaemonConnections } from './connections.js';
import { packages } from './packages.js';
import type { RequestOptions } from './request-options.js';
import { RpcRequest } from './rpc-request.js';

export class Transport {
  readonly #host: Host;
  readonly #maxAnswerBytes: () => number;
  /** Absent until the first call. */
  #wire: DaemonConnections | undefined;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(host: Host, maxAnswerBytes: () => number) {
    this.#host = host;
    this.#maxAnswerBytes = maxAnswerBytes;
  }

  /** @throws ApnsdError, or the signal's reason */
  async call(method: string, params: unknown[], options: RequestOptions): Promise<unknown> {
    options.signal?.throwIfAborted();
    this.#underWay += 1;
    try {
      const loaded = await packages();
      this.#wire ??= new DaemonConnections(this.#host, this.#maxAnswerBytes, loaded);
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
  wire: DaemonConnections,
  method: string,
  params: unknown[],
  options: RequestOptions,
): Promise<unknown> {
  const startedAt = performance.now();
  const first = new RpcRequest(wire, method, params, options);
  try {
    return await first.answer;
  } catch (error) {
    if (!first.closedUnderUs) throw error;
  }
  // The others may be closed as well.
  wire.dropIdle();
  const timeoutMs = Math.max(1, options.timeoutMs - (performance.now() - startedAt));
  return new RpcRequest(wire, method, params, { ...options, timeoutMs }).answer;
}
