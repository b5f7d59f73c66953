/** What an attempt stands on; what it saw fail is compared, by identity, with what stands now. */
import { isNoSuchMethod, Turns } from './pyapns.js';
import type { Transport } from './transport.js';

export class Footing {
  readonly transport: Transport;
  /** How many outages and hosts there had been. */
  readonly era: number;
  /** Set once the daemon was found to have only pyapns's methods. */
  #turns: Turns | undefined;

  constructor(transport: Transport, era: number) {
    this.transport = transport;
    this.era = era;
  }

  /** Calls a method of ours, or what stands for it where the daemon has only pyapns's. */
  async either<T>(own: () => Promise<T>, pyapns: (turns: Turns) => Promise<T>): Promise<T> {
    if (!this.#turns) {
      try {
        return await own();
      } catch (error) {
        if (!isNoSuchMethod(error)) throw error;
        this.#turns ??= new Turns();
      }
    }
    return pyapns(this.#turns);
  }
}
