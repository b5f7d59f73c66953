/** What an attempt stands on; what it saw fail is compared, by identity, with what stands now. */
import { FirstNotifications, isNoSuchMethod } from '../xmlrpc/pyapns.js';
import type { Transport } from '../xmlrpc/transport.js';

export class DaemonSession {
  readonly transport: Transport;
  /** How many outages and hosts there had been. */
  readonly epoch: number;
  /** Set once the daemon was found to have only pyapns's methods. */
  #turns: FirstNotifications | undefined;

  constructor(transport: Transport, era: number) {
    this.transport = transport;
    this.epoch = era;
  }

  /** As far as is known, the daemon has our methods. */
  get supportsApnsd(): boolean {
    return this.#turns === undefined;
  }

  /**
   * Calls a method of ours, or what stands for it where the daemon has only pyapns's.
   * @param begun ours was called already, and `own` gives what came of it
   */
  async callWithFallback<T>(
    own: () => Promise<T>,
    pyapns: (turns: FirstNotifications) => Promise<T>,
    begun = false,
  ): Promise<T> {
    if (begun || !this.#turns) {
      try {
        return await own();
      } catch (error) {
        if (!isNoSuchMethod(error)) throw error;
        this.#turns ??= new FirstNotifications();
      }
    }
    return pyapns(this.#turns);
  }
}
