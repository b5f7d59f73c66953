/** A pause that Apple asked for of its whole service (503 with Retry-After): nothing leaves before its end, and few requests at first. */

/** Enough that one without an answer does not hold up all others, and few for a service that has just come back. */
const firstRequests = 4;
/** With so many at once the service is well. */
const manyRequests = 1024;

export class ServicePause {
  /** In milliseconds of performance.now. */
  readonly until: number;
  /** What Apple said. */
  readonly reason: Error;
  /** When the first of pauses in a row began, in UNIX milliseconds. */
  readonly since: number;
  /** How many requests may leave, once the pause is over. */
  #allowed = firstRequests;

  /** @param last the one before it, where the service was not well since */
  constructor(until: number, reason: Error, last?: ServicePause) {
    this.until = until;
    this.reason = reason;
    this.since = last?.since ?? Date.now();
  }

  get lasts(): boolean {
    return performance.now() < this.until;
  }

  /** Whether a request may leave. */
  get admits(): boolean {
    return this.#allowed > 0 && !this.lasts;
  }

  /** It holds nothing back any more. */
  get over(): boolean {
    return this.#allowed >= manyRequests;
  }

  left(): void {
    this.#allowed -= 1;
  }

  /** One that left has ended: its place is free, and there is one more, so that each round of answers doubles them. */
  ended(): void {
    this.#allowed += 2;
  }

  /** One that left was not processed. */
  returned(): void {
    this.#allowed += 1;
  }
}
