/** A time in which the daemon can't be reached: what waits for its end, and why it lasts. */
import type { Call } from './call.js';

export class Outage {
  /** Why the last attempt to get through failed. */
  lastError: unknown;
  readonly #waiting = new Set<() => void>();

  constructor(cause: unknown) {
    this.lastError = cause;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves at the end of the outage. A call that ends first leaves nothing behind, so that a long outage does not
   * collect all that ever waited.
   */
  wait(call: Call): Promise<void> {
    return call.wait((resume) => {
      this.#waiting.add(resume);
      return () => this.#waiting.delete(resume);
    });
  }

  end(): void {
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }
}
