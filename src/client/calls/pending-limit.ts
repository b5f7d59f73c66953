/** How many calls may be pending: those beyond it are refused at once, and may wait for room. */
import { endWith, endWithout } from '../../abort.js';
import { OverloadedError } from '../../errors.js';
import type { Emit } from '../api/events.js';

export class PendingLimit {
  readonly #limit: () => number;
  readonly #emit: Emit;
  readonly #waiting = new Set<Waiter>();
  #pending = 0;
  /** Places of which somebody was told in this turn, and that are not to be told to another. */
  #reserved = 0;
  /** It was told that there is no room. */
  #overloadTold = false;

  constructor(size: () => number, emit: Emit) {
    this.#limit = size;
    this.#emit = emit;
  }

  get full(): boolean {
    return this.#pending >= this.#limit();
  }

  /** There is a place that is promised to nobody else. */
  get hasRoom(): boolean {
    return this.#waiting.size === 0 && this.#pending + this.#reserved < this.#limit();
  }

  /** @throws OverloadedError */
  acquire(): void {
    if (this.full) {
      if (!this.#overloadTold) this.#emit('overloaded', { pending: this.#pending });
      this.#overloadTold = true;
      throw new OverloadedError(
        `${this.#pending} calls are pending, expected fewer than maxPending, ${this.#limit()}`,
      );
    }
    this.#pending += 1;
  }

  release(): void {
    this.#pending -= 1;
    this.wakeWaiters();
  }

  /**
   * Resolves when there is room.
   * @throws the signal's reason
   */
  async waitForRoom(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.hasRoom && this.#reserve()) return;
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(waiting);
        if (signal) endWithout(signal, waiting);
      };
      const waiting: Waiter = {
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
  wakeWaiters(): void {
    if (!this.full) this.#overloadTold = false;
    for (const waiting of this.#waiting) {
      if (!this.#reserve()) return;
      waiting.resolve();
    }
  }

  /** Nobody waits any longer. */
  close(reason: Error): void {
    for (const waiting of this.#waiting) waiting.reject(reason);
  }

  /** Who is told of a place has this turn to take it. */
  #reserve(): boolean {
    if (this.#pending + this.#reserved >= this.#limit()) return false;
    this.#reserved += 1;
    if (this.#reserved > 1) return true;
    setImmediate(() => {
      this.#reserved = 0;
      this.wakeWaiters();
    });
    return true;
  }
}

interface Waiter {
  resolve: () => void;
  reject: (reason: unknown) => void;
  abort: (signal: AbortSignal) => void;
}
