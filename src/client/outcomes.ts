/** Hands out what comes, one at a time: an async iterator made by hand, since a generator has three promises for each. */

export interface OutcomeSource {
  /** Another is asked for: it may be pushed at once. */
  onAsked(): void;
  /** No other will be asked for. */
  onStopped(): Promise<void>;
}

type Result<T> = IteratorResult<T, undefined>;

export class Outcomes<T> implements AsyncIterableIterator<T> {
  readonly #source: OutcomeSource;
  readonly #waiting: T[] = [];
  readonly #asked: { resolve: (result: Result<T>) => void; reject: (reason: unknown) => void }[] =
    [];
  /** Thrown once. */
  #error: { reason: unknown } | undefined;
  #ended = false;

  constructor(source: OutcomeSource) {
    this.#source = source;
  }

  /** How many nobody has asked for yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Somebody waits for another. */
  get awaited(): boolean {
    return this.#asked.length > 0;
  }

  push(outcome: T): void {
    const next = this.#asked.shift();
    if (next) next.resolve({ done: false, value: outcome });
    else this.#waiting.push(outcome);
  }

  /** Nothing comes after what waits. */
  end(): void {
    this.#ended = true;
    for (const { resolve } of this.#asked.splice(0)) resolve({ done: true, value: undefined });
  }

  /** The same, and the reason is thrown then. */
  fail(reason: unknown): void {
    const next = this.#asked.shift();
    if (next) next.reject(reason);
    else this.#error = { reason };
    this.end();
  }

  /** What waits is handed out no more. */
  drop(): void {
    this.#waiting.length = 0;
  }

  next(): Promise<Result<T>> {
    if (!this.#ended) this.#source.onAsked();
    const outcome = this.#waiting.shift();
    if (outcome !== undefined) return Promise.resolve({ done: false, value: outcome });
    if (this.#error) {
      const { reason } = this.#error;
      this.#error = undefined;
      return Promise.reject(reason);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
  }

  async return(): Promise<Result<T>> {
    this.drop();
    this.#error = undefined;
    this.end();
    await this.#source.onStopped();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<Result<T>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
