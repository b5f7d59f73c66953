/** How many calls may be pending: those beyond it are refused at once, and may wait for room. */
import { endWith, endWithout } from '../../abort.js';
import { OverloadedError } from '../../errors.js';
import type { Emit } from '../api/events.js';

export class Room {
  readonly #size: () => number;
  readonly #emit: Emit;
  readonly #waiting = new Set<Waiting>();
  #taken = 0;
  /** Places of which somebody was told in this turn, and that are not to be told to another. */
  #promised = 0;
  /** It was told that there is no room. */
  #told = false;

  constructor(size: () => number, emit: Emit) {
    this.#size = size;
    this.#emit = emit;
  }

  get full(): boolean {
    return this.#taken >= this.#size();
  }

  /** There is a place that is promised to nobody else. */
  get spare(): boolean {
    return this.#waiting.size === 0 && this.#taken + this.#promised < this.#size();
  }

  /** @throws OverloadedError */
  enter(): void {
    if (this.full) {
      if (!this.#told) this.#emit('overloaded', { pending: this.#taken });
      this.#told = true;
      throw new OverloadedError(
        `${this.#taken} calls are pending, expected fewer than maxPending, ${this.#size()}`,
      );
    }
    this.#taken += 1;
  }

  leave(): void {
    this.#taken -= 1;
    this.look();
  }

  /**
   * Resolves when there is room.
   * @throws the signal's reason
   */
  async free(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.spare && this.#promise()) return;
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(waiting);
        if (signal) endWithout(signal, waiting);
      };
      const waiting: Waiting = {
        resolve: () => {
          end();
          resolve();
        },
        reject: (reason) => {
          end();
          reject(reason);
        },
        abort: ({ reason }) => waiting.reject(reason),
      };
      this.#waiting.add(waiting);
      if (signal) endWith(signal, waiting);
    });
  }

  /** Wakes as many as there is room for. */
  look(): void {
    if (!this.full) this.#told = false;
    for (const waiting of this.#waiting) {
      if (!this.#promise()) return;
      waiting.resolve();
    }
  }

  /** Nobody waits any longer. */
  close(reason: Error): void {
    for (const waiting of this.#waiting) waiting.reject(reason);
  }

  /** Who is told of a place has this turn to take it. */
  #promise(): boolean {
    if (this.#taken + this.#promised >= this.#size()) return false;
    this.#promised += 1;
    if (this.#promised > 1) return true;
    setImmediate(() => {
      this.#promised = 0;
      this.look();
    });
    return true;
  }
}

interface Waiting {
  resolve: () => void;
  reject: (reason: unknown) => void;
  abort: (signal: AbortSignal) => void;
}
