/** One connection epoch of the daemon. Failures of an older epoch are ignored: sessions are compared by identity. */
import { FirstNotifications, isNoSuchMethod } from '../xmlrpc/pyapns.js';
import type { Transport } from '../xmlrpc/transport.js';

export class DaemonSession {
  readonly transport: Transport;
  /** How many outages and hosts there had been when it began. */
  readonly epoch: number;
  /** Lets an app's first notification go alone, where the daemon has only pyapns's methods. */
  readonly firstNotifications = new FirstNotifications();
  #supportsApnsd = true;

  constructor(transport: Transport, epoch: number) {
    this.transport = transport;
    this.epoch = epoch;
  }

  /** Whether the daemon has the `apnsd.` methods, as far as is known. */
  get supportsApnsd(): boolean {
    return this.#supportsApnsd;
  }

  /** True where the error says that the daemon lacks an `apnsd.` method: from now on the session calls pyapns's. */
  fallBackAfter(error: unknown): boolean {
    if (!isNoSuchMethod(error)) return false;
    this.#supportsApnsd = false;
    return true;
  }

  /** Calls an `apnsd.` method, or what stands for it where the daemon has only pyapns's. */
  async callWithFallback<T>(own: () => Promise<T>, pyapns: () => Promise<T>): Promise<T> {
    if (this.#supportsApnsd) {
      try {
        return await own();
      } catch (error) {
        if (!this.fallBackAfter(error)) throw error;
      }
    }
    return pyapns();
  }
}
