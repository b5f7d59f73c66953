/** A time in which the daemon can't be reached: what waits for its end, and why it began. */

export class Outage {
  /** Why the last attempt to get through failed. */
  lastError: unknown;
  readonly #waiting = new Set<() => void>();

  constructor(error: unknown) {
    this.lastError = error;
  }

  /**
   * Resolves at the end of the outage. A caller that gives up leaves nothing behind, so that a long outage does not
   * collect all that ever waited.
   */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const leave = () => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      const enter = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(enter);
    });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  end(): void {
    for (const enter of this.#waiting) enter();
    this.#waiting.clear();
  }
}
