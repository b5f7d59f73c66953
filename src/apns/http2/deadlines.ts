/** One clock for everything that has a deadline; it runs, and keeps the process alive, while something waits. */

/** What can wait. The links are the clock's own: a set for each tick would cost more than all the rest of it. */
export abstract class Waiting {
  /** Milliseconds of performance.now: a clock that is set changes nothing. */
  readonly deadline: number;
  bucket: Bucket | undefined;
  sooner: Waiting | undefined;
  later: Waiting | undefined;

  constructor(deadline: number) {
    this.deadline = deadline;
  }

  abstract expire(): void;
}

/** Those whose deadline falls into one tick. */
interface Bucket {
  first: Waiting | undefined;
}

/** A busy process is later than that only where it was stopped, or its machine slept. */
const MAX_LATE_MS = 500;

export class Deadlines {
  readonly #tickMs: number;
  readonly #onTick: () => void;
  readonly #buckets = new Map<number, Bucket>();
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #size = 0;

  /** `onTick` is called at each tick while something waits, after what has expired. */
  constructor(tickMs: number, onTick: () => void) {
    this.#tickMs = tickMs;
    this.#onTick = onTick;
  }

  get size(): number {
    return this.#size;
  }

  add(waiting: Waiting): void {
    const tick = Math.ceil(waiting.deadline / this.#tickMs);
    let bucket = this.#buckets.get(tick);
    if (!bucket) {
      bucket = { first: undefined };
      this.#buckets.set(tick, bucket);
    }
    const { first } = bucket;
    waiting.bucket = bucket;
    waiting.later = first;
    if (first) first.sooner = waiting;
    bucket.first = waiting;
    this.#size += 1;
    if (this.#timer) return;
    this.#tickedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#tickMs);
  }

  delete(waiting: Waiting): void {
    const { bucket, sooner, later } = waiting;
    if (!bucket) return;
    if (sooner) sooner.later = later;
    else bucket.first = later;
    if (later) later.sooner = sooner;
    waiting.bucket = undefined;
    waiting.sooner = undefined;
    waiting.later = undefined;
    this.#size -= 1;
    if (this.#size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#buckets.clear();
  }

  #tick(): void {
    const lateMs = performance.now() - this.#tickedAt - this.#tickMs;
    this.#tickedAt = performance.now();
    // The process itself was held up: an answer that came meanwhile is read before its deadline counts.
    if (lateMs > MAX_LATE_MS) return;
    const now = Math.floor(performance.now() / this.#tickMs);
    for (const [tick, bucket] of this.#buckets) {
      if (tick <= now) {
        for (let due = bucket.first; due; due = bucket.first) {
          this.delete(due);
          due.expire();
        }
      }
      if (!bucket.first) this.#buckets.delete(tick);
    }
    this.#onTick();
  }
}
