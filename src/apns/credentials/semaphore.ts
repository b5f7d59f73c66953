/** Lets so much work of a kind be under way at a time. */
import { setImmediate as otherWork } from 'node:timers/promises';

export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param most how much */
  constructor(most: number) {
    this.#free = most;
  }

  /** Between two that wait the event loop has its turn: each may hold it up, and others have to come in between. */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      void this.#release();
    }
  }

  async #release(): Promise<void> {
    await otherWork();
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}
