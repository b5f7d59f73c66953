/** Things that come and go quickly, found by a number. A Map makes itself a new table for every thousand or so, and the garbage collector takes the old tables for reasons to keep what was in them. */

/** What can be in buckets. The link is theirs. */
export interface Bucketed<T> {
  /** Whole numbers that differ in their lowest bits come to different buckets. */
  readonly bucketKey: number;
  next: T | undefined;
}

export class Buckets<T extends Bucketed<T>> {
  readonly #first: (T | undefined)[];
  readonly #mask: number;
  #size = 0;

  /** @param count a power of two, about as many as there will be things */
  constructor(count: number) {
    this.#first = new Array(count).fill(undefined);
    this.#mask = count - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** The first of those among which one with this key is; `next` leads to the others. */
  first(key: number): T | undefined {
    return this.#first[key & this.#mask];
  }

  add(item: T): void {
    const bucket = item.bucketKey & this.#mask;
    item.next = this.#first[bucket];
    this.#first[bucket] = item;
    this.#size += 1;
  }

  /** False where it was not there. */
  remove(item: T): boolean {
    const bucket = item.bucketKey & this.#mask;
    let before = this.#first[bucket];
    if (before === item) this.#first[bucket] = item.next;
    else {
      while (before && before.next !== item) before = before.next;
      if (!before) return false;
      before.next = item.next;
    }
    item.next = undefined;
    this.#size -= 1;
    return true;
  }

  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (const first of this.#first) {
      for (let item = first; item; item = item.next) yield item;
    }
  }
}
