/** One timer for all that have a deadline; it runs, and keeps the process alive, while one of them waits. */
import { maxTimerMs } from './validation.js';

/** What can wait. The links are the clock's own: sets and timers of each would cost more than all the rest of it. */
export abstract class WithDeadline {
  /** In milliseconds of performance.now, which goes on evenly whatever the system's clock is set to. */
  readonly deadline: number;
  moment: TimerBucket | undefined;
  sooner: WithDeadline | undefined;
  later: WithDeadline | undefined;

  constructor(deadline: number) {
    this.deadline = deadline;
  }

  abstract expire(): void;
}

/** Those whose deadlines come to the same. */
interface TimerBucket {
  number: number;
  first: WithDeadline | undefined;
}

/** How late a deadline may come. */
const momentMs = 16;

export class Deadlines<W extends WithDeadline> {
  readonly #moments = new Map<number, TimerBucket>();
  #timer: NodeJS.Timeout | undefined;
  /** The moment for which the timer is set. */
  #next = Number.POSITIVE_INFINITY;

  get empty(): boolean {
    return this.#moments.size === 0;
  }

  add(waiting: W): void {
    const number = Math.ceil(waiting.deadline / momentMs);
    let moment = this.#moments.get(number);
    if (!moment) {
      moment = { number, first: undefined };
      this.#moments.set(number, moment);
    }
    const { first } = moment;
    waiting.moment = moment;
    waiting.later = first;
    if (first) first.sooner = waiting;
    moment.first = waiting;
    if (number < this.#next) this.#wakeAt(number);
  }

  delete(waiting: WithDeadline): void {
    const { moment, sooner, later } = waiting;
    if (!moment) return;
    if (sooner) sooner.later = later;
    else moment.first = later;
    if (later) later.sooner = sooner;
    waiting.moment = undefined;
    waiting.sooner = undefined;
    waiting.later = undefined;
    if (moment.first) return;
    this.#moments.delete(moment.number);
    // The timer is not set again for what was only the next: it may find nothing.
    if (this.empty) this.#wakeAt(Number.POSITIVE_INFINITY);
  }

  /** All that wait. */
  *[Symbol.iterator](): Generator<W, void, undefined> {
    for (const { first } of this.#moments.values()) {
      // Only what was added is linked.
      for (let waiting = first; waiting; waiting = waiting.later) yield waiting as W;
    }
  }

  #wakeAt(number: number): void {
    clearTimeout(this.#timer);
    this.#next = number;
    if (number === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.ceil(number * momentMs - performance.now());
    this.#timer = setTimeout(() => this.#wake(), Math.min(leftMs, maxTimerMs));
  }

  #wake(): void {
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [number, moment] of this.#moments) {
      if (number * momentMs > now) next = Math.min(next, number);
      else {
        for (let due = moment.first; due; due = moment.first) {
          this.delete(due);
          due.expire();
        }
      }
    }
    this.#wakeAt(next);
  }
}
