/** The retry states of notifications that failed, until somebody asks for the same again: so that a repeat comes no sooner than it may. */
import type { RetryState } from '../../apns/retry.js';
import type { Fingerprint } from './fingerprint.js';

interface Kept {
  state: RetryState;
  /** In milliseconds of performance.now. */
  until: number;
}

export class RetryStates {
  readonly #limit: number;
  readonly #maxAgeMs: number;
  /** The one that was kept first stands first. */
  readonly #kept = new Map<string, Kept>();

  /**
   * @param limit of states; beyond it the oldest goes
   * @param maxAgeMs how long one is kept, counted from when its notification may be sent again
   */
  constructor(limit: number, maxAgeMs: number) {
    this.#limit = limit;
    this.#maxAgeMs = maxAgeMs;
  }

  get size(): number {
    return this.#kept.size;
  }

  keep({ key }: Fingerprint, state: RetryState, now: number): void {
    this.#kept.set(key, { state, until: Math.max(state.notBefore, now) + this.#maxAgeMs });
    for (const [oldest, { until }] of this.#kept) {
      if (this.#kept.size <= this.#limit && until > now) break;
      this.#kept.delete(oldest);
    }
  }

  /** It is not kept any more then. */
  take(fingerprint: Fingerprint, now: number): RetryState | undefined {
    if (this.#kept.size === 0) return undefined;
    const { key } = fingerprint;
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    return kept && kept.until > now ? kept.state : undefined;
  }
}
