/** Tells whether a connection still lives: from what was heard and answered, and when. */
import type { Limits } from './limits.js';

type Finding = 'well' | 'must ping' | 'ping unanswered' | 'stalled';

export class Keepalive {
  readonly everyMs: number;
  readonly #limits: Limits;
  #checkedAt = performance.now();
  #heardAt = this.#checkedAt;
  /** When it last answered anything, or had nothing to answer. */
  #answeredAt = this.#checkedAt;
  #busyAt = this.#checkedAt;
  #heard = false;
  #answered = false;
  #pingSentAt: number | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
    const { pingAfterMs, pingTimeoutMs, stallMs, spareAfterMs } = limits;
    // A quarter of the shortest: what is found is late by that much at most.
    this.everyMs = Math.min(pingAfterMs, pingTimeoutMs, stallMs, spareAfterMs) / 4;
  }

  /** It said anything. The time is taken at the next check: this is called for every read. */
  heard(): void {
    this.#heard = true;
  }

  /** It said something of a stream. */
  answered(): void {
    this.#answered = true;
  }

  /** The first request in a while goes out. */
  asked(): void {
    this.#answeredAt = performance.now();
  }

  pingSent(): void {
    this.#pingSentAt = performance.now();
  }

  pingAnswered(): void {
    this.#pingSentAt = undefined;
  }

  get idleMs(): number {
    return this.#checkedAt - this.#busyAt;
  }

  /** To be called every {@link everyMs}. `busy`: requests are under way; `wanted`: some wait for it. */
  check(busy: boolean, wanted: boolean): Finding {
    const now = performance.now();
    const late = now - this.#checkedAt > 2 * this.everyMs;
    this.#checkedAt = now;
    // Also where each answer was quick: that nothing is under way at this moment says little.
    if (busy || this.#answered) this.#busyAt = now;
    if (this.#heard) this.#heardAt = now;
    if (this.#answered || (!busy && !wanted)) this.#answeredAt = now;
    this.#heard = false;
    this.#answered = false;
    // The process itself was held up: what came meanwhile is not read yet.
    if (late) return 'well';
    const { pingAfterMs, pingTimeoutMs, stallMs } = this.#limits;
    if (now - this.#answeredAt > stallMs) return 'stalled';
    if (this.#pingSentAt === undefined) {
      return now - this.#heardAt > pingAfterMs ? 'must ping' : 'well';
    }
    return now - this.#pingSentAt > pingTimeoutMs ? 'ping unanswered' : 'well';
  }
}
