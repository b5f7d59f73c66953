/** Apple's newest answers, in flat arrays: as many objects that come and go would keep the garbage collector busy. */
import { plainlyAccepted, type Verdict } from '../../apns/verdict.js';
import type { Digest, Fingerprint } from './fingerprint.js';

/** Of each answer: whom and what it was for, and the one before it in the same bucket. */
const WORDS = 9;
const BEFORE = 8;

export class KeptAnswers {
  readonly #limit: number;
  /** A power of two, less one. */
  readonly #mask: number;
  readonly #words: Int32Array;
  /** In milliseconds of performance.now. */
  readonly #givenAt: Float64Array;
  /** The newest answer of each. From an answer to the one before it, a bucket ends at the first that is not kept any more. */
  readonly #buckets: Int32Array;
  /** What says more than {@link plainlyAccepted}. */
  readonly #verdicts = new Map<number, Verdict>();
  /** Answers are numbered; 32 bits of that are enough. */
  #next = 1;
  #size = 0;

  /** @param limit of answers */
  constructor(limit: number) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(limit, 1)));
    this.#limit = limit;
    this.#mask = places - 1;
    this.#words = new Int32Array(places * WORDS);
    this.#givenAt = new Float64Array(places);
    this.#buckets = new Int32Array(places);
  }

  get size(): number {
    return this.#size;
  }

  /** Undefined where it is not kept; else whether the payload was the same, and what Apple said. */
  find(to: Fingerprint, payload: Digest): { samePayload: boolean; verdict: Verdict } | undefined {
    const words = this.#words;
    let number = this.#buckets[to.hash & this.#mask] ?? 0;
    while ((this.#next - 1 - number) >>> 0 < this.#size) {
      const place = number & this.#mask;
      const at = place * WORDS;
      if (
        words[at] === to.id0 &&
        words[at + 1] === to.id1 &&
        words[at + 2] === to.id2 &&
        words[at + 3] === to.id3 &&
        words[at + 4] === to.to0 &&
        words[at + 5] === to.to1
      ) {
        const samePayload = words[at + 6] === payload.high && words[at + 7] === payload.low;
        return { samePayload, verdict: this.#verdicts.get(place) ?? plainlyAccepted };
      }
      number = words[at + BEFORE] ?? 0;
    }
    return undefined;
  }

  /** @returns false where there was no room, so that the oldest went */
  keep(to: Fingerprint, payload: Digest, verdict: Verdict, givenAt: number): boolean {
    const full = this.#size === this.#limit;
    if (this.#limit === 0) return false;
    const number = this.#next;
    this.#next = (number + 1) | 0;
    if (!full) this.#size += 1;
    const place = number & this.#mask;
    const bucket = to.hash & this.#mask;
    const words = this.#words;
    const at = place * WORDS;
    words[at] = to.id0;
    words[at + 1] = to.id1;
    words[at + 2] = to.id2;
    words[at + 3] = to.id3;
    words[at + 4] = to.to0;
    words[at + 5] = to.to1;
    words[at + 6] = payload.high;
    words[at + 7] = payload.low;
    words[at + BEFORE] = this.#buckets[bucket] ?? 0;
    this.#buckets[bucket] = number;
    this.#givenAt[place] = givenAt;
    if (verdict !== plainlyAccepted) this.#verdicts.set(place, verdict);
    else if (this.#verdicts.size > 0) this.#verdicts.delete(place);
    return !full;
  }

  /** Drops those that were given by then. */
  forget(givenBy: number): void {
    while (this.#size > 0 && this.#oldestAt <= givenBy) this.#size -= 1;
  }

  get #oldestAt(): number {
    return this.#givenAt[(this.#next - this.#size) & this.#mask] ?? 0;
  }
}
