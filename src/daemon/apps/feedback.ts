/** Tokens that Apple called dead (status 410), until a client has taken them. */
import { randomUUID } from 'node:crypto';

/** An answer's entry as it is. */
export type DeadToken = {
  token: string;
  /** UNIX milliseconds. */
  unregisteredAt: number;
};

/** As they are read: a list of all is some 25 MB in an answer, and as much again in memory. */
export interface DeadTokens extends Iterable<DeadToken> {
  readonly size: number;
}

interface Entry {
  unregisteredAt: number;
  place: number;
}

/** The oldest are dropped beyond it: about 20 MB an app. */
export const maxEntries = 100_000;

export class Feedback {
  /** Names this list's life: a cursor from another one acknowledges nothing. */
  readonly #run = randomUUID();
  /** By token, oldest news first, each with its place in the order. */
  #entries = new Map<string, Entry>();
  #places = 0;
  #dropped = 0;

  get size(): number {
    return this.#entries.size;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Of a token's times the newest counts; one that is no news changes nothing. */
  add(token: string, unregisteredAt: number): void {
    const known = this.#entries.get(token);
    if (known && known.unregisteredAt >= unregisteredAt) return;
    this.#places += 1;
    this.#entries.delete(token);
    this.#entries.set(token, { unregisteredAt, place: this.#places });
    if (this.#entries.size <= maxEntries) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      this.#dropped += 1;
      break;
    }
  }

  /** Hands all out and forgets them. */
  take(): DeadTokens {
    const all = this.#entries;
    this.#entries = new Map();
    return { size: all.size, [Symbol.iterator]: () => listed(all, this.#places) };
  }

  /**
   * Forgets what the cursor acknowledges, and lists the rest with the cursor that will acknowledge it. What comes while
   * the list is read is left for the next.
   */
  read(cursor: string): { entries: DeadTokens; cursor: string } {
    const [run, place] = cursor.split(':');
    if (run === this.#run) {
      for (const [token, entry] of this.#entries) {
        if (!(entry.place <= Number(place))) break;
        this.#entries.delete(token);
      }
    }
    const all = this.#entries;
    const last = this.#places;
    const entries = { size: all.size, [Symbol.iterator]: () => listed(all, last) };
    return { entries, cursor: `${this.#run}:${last}` };
  }
}

function* listed(entries: ReadonlyMap<string, Entry>, last: number): Generator<DeadToken> {
  for (const [token, { unregisteredAt, place }] of entries) {
    if (place > last) return;
    yield { token, unregisteredAt };
  }
}
