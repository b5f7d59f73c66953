/** How many calls may be at the daemon at once; the rest wait, first in, first out. */
import type { Call } from './call.js';

export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves once a slot is taken; a call that ends first leaves the queue. */
  async acquire(call: Call): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await call.wait((resume) => {
      this.#waiting.add(resume);
      return () => this.#waiting.delete(resume);
    });
  }

  release(): void {
    const [next] = this.#waiting;
    if (next) {
      this.#waiting.delete(next);
      next();
    } else this.#free += 1;
  }
}
