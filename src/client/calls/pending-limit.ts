/** How many calls may be pending: those beyond it are refused at once, and may wait for room. */
import { endWith, endWithout } from '../../abort.js';
import { OverloadedError } from '../../errors.js';
import type { Emit } from '../api/events.js';

export class PendingLimit {
  readonly #limit: () => number;
  readonly #emit: Emit;
  readonly #waiters = new Set<Waiter>();
  #pending = 0;
  /** Places that waiters were given in this turn of the event loop: nobody else is given them. */
  #reserved = 0;
  /** `overloaded` was emitted, and there has been no room since. */
  #overloaded = false;

  constructor(limit: () => number, emit: Emit) {
    this.#limit = limit;
    this.#emit = emit;
  }

  /** There is a place that nobody else was given. */
  get hasRoom(): boolean {
    return this.#waiters.size === 0 && this.#pending + this.#reserved < this.#limit();
  }

  /** @throws OverloadedError */
  acquire(): void {
    if (this.#full) {
      if (!this.#overloaded) this.#emit('overloaded', { pending: this.#pending });
      this.#overloaded = true;
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
      const leave = () => {
        this.#waiters.delete(waiter);
        if (signal) endWithout(signal, waiter);
      };
      const waiter: Waiter = {
        resolve: () => {
          leave();
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
        abort: ({ reason }) => waiter.reject(reason),
      };
      this.#waiters.add(waiter);
      if (signal) endWith(signal, waiter);
    });
  }

  /** Wakes as many as there is room for. */
  wakeWaiters(): void {
    if (!this.#full) this.#overloaded = false;
    for (const waiter of this.#waiters) {
      if (!this.#reserve()) return;
      waiter.resolve();
    }
  }

  /** Nobody waits any longer. */
  close(reason: Error): void {
    for (const waiter of this.#waiters) waiter.reject(reason);
  }

  get #full(): boolean {
    return this.#pending >= this.#limit();
  }

  /** Keeps a place for this turn of the event loop, in which the waiter is to take it. */
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
