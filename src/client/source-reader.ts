/** Reads a source one item at a time, whether it is sync or async. */

export type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

export class SourceReader<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  /** Busy while the source is asked for its next, or its item is not taken yet. */
  #state: 'ready' | 'busy' | 'ended' = 'ready';
  /** Why it ended, where that was not by itself. */
  failure: { reason: unknown } | undefined;

  constructor(source: AnyIterable<T>) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Reads the next item, where the source is ready.
   * @param onItem returns a promise where the item can't be taken at once
   * @param onDone called where that or the source was waited for
   */
  read(onItem: (item: T) => Promise<void> | undefined, onDone: () => void): void {
    try {
      const next = this.#iterator.next();
      const taken = 'then' in next ? this.#takeLater(next, onItem) : this.#take(next, onItem);
      if (taken) this.#waitFor(taken, onDone);
    } catch (reason) {
      this.fail(reason);
    }
  }

  fail(reason: unknown): void {
    this.#state = 'ended';
    this.failure ??= { reason };
  }

  /** Tells the source that nothing more is read. A source that is busy may hear it only afterwards: that is not waited for. */
  async close(): Promise<void> {
    if (this.ended) return;
    const { ready } = this;
    this.#state = 'ended';
    const returned = (async () => this.#iterator.return?.())();
    if (ready) await returned;
    else returned.catch(() => undefined);
  }

  #take(
    { done, value }: IteratorResult<T>,
    onItem: (item: T) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    if (!done) return onItem(value);
    this.#state = 'ended';
    return undefined;
  }

  async #takeLater(
    next: Promise<IteratorResult<T>>,
    onItem: (item: T) => Promise<void> | undefined,
  ): Promise<void> {
    await this.#take(await next, onItem);
  }

  #waitFor(taken: Promise<void>, onDone: () => void): void {
    this.#state = 'busy';
    void taken
      .then(
        () => {
          if (this.#state === 'busy') this.#state = 'ready';
        },
        (reason) => this.fail(reason),
      )
      .then(onDone);
  }
}
