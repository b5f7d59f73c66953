/** Long work in turns: however many have such work, one of them does a stretch of it between two looks at the network. */

export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when it is its caller's turn, for a stretch of some milliseconds at most. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(this.#pass);
    });
  }

  readonly #pass = (): void => {
    const [next] = this.#waiting;
    next?.();
    // Scheduled from here it comes in the next round of the event loop.
    this.#waiting.shift();
    if (this.#waiting.length > 0) setImmediate(this.#pass);
  };
}
