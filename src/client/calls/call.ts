/** One call of the app: its deadline, who is told its end, and whatever it waits for at the moment. */
import { endWith, endWithout } from '../../abort.js';
import { WithDeadline } from '../../deadlines.js';
import { DeadlineError } from '../../errors.js';

/** Told how its call ended. */
export interface Caller<T> {
  succeed(value: T): void;
  fail(reason: unknown): void;
}

/** What a call waits for. */
export interface Awaited {
  /** Told where the call ends first. */
  leave(reason: unknown): void;
}

export interface CallSurroundings {
  /** Why the call has not succeeded, asked at its deadline. */
  why: (call: Call) => unknown;
  ended: (call: Call) => void;
}

export interface CallLimits {
  /** The whole call, in milliseconds. */
  deadlineMs: number;
  signal?: AbortSignal | undefined;
}

export class Call<T = unknown> extends WithDeadline {
  readonly appId: string;
  /** How often its request has left. */
  attempts = 0;
  /** It is at the daemon, or its answer has come. */
  underWay = false;
  /** Why it has not succeeded yet. */
  lastError: unknown;
  awaited: Awaited | undefined;
  #ended = false;
  #abort: AbortController | undefined;
  readonly #limits: CallLimits;
  readonly #caller: Caller<T>;
  readonly #around: CallSurroundings;

  constructor(appId: string, limits: CallLimits, caller: Caller<T>, around: CallSurroundings) {
    super(performance.now() + limits.deadlineMs);
    this.appId = appId;
    this.#limits = limits;
    this.#caller = caller;
    this.#around = around;
    if (limits.signal) endWith(limits.signal, this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Aborted when the call ends without success. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#ended) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Its request leaves; what is at the daemon already only asks again. */
  departs(): void {
    if (!this.underWay) this.attempts += 1;
    this.underWay = true;
  }

  /** Nothing happens where it has ended: the first end counts. */
  succeed(value: T): void {
    if (this.#end()) this.#caller.succeed(value);
  }

  /** As with {@link succeed}. */
  fail(reason: unknown): void {
    if (!this.#end()) return;
    this.#caller.fail(reason);
    this.awaited?.leave(reason);
    this.#abort?.abort(reason);
  }

  /** Its caller's signal was aborted. */
  abort({ reason }: AbortSignal): void {
    this.fail(reason);
  }

  /** Its deadline has come. */
  override expire(): void {
    const cause = this.#around.why(this as Call);
    const because = cause instanceof Error ? cause.message : 'it was not its turn yet';
    const { deadlineMs } = this.#limits;
    this.fail(new DeadlineError(`no success within ${deadlineMs} ms: ${because}`, { cause }));
  }

  /**
   * Waits, and leaves when the call ends.
   * @param enter is given what ends the wait, well or badly, and gives what takes it back
   */
  wait<V = void>(
    enter: (resume: (value: V) => void, fail: (reason: unknown) => void) => () => void,
  ): Promise<V> {
    return new Promise((resolve, reject) => {
      if (this.#ended) throw new Error('the call has ended');
      const takeBack = enter(
        (value) => {
          this.awaited = undefined;
          resolve(value);
        },
        (reason) => {
          this.awaited = undefined;
          reject(reason);
        },
      );
      const leave = (reason: unknown) => {
        takeBack();
        reject(reason);
      };
      this.awaited = { leave };
    });
  }

  pause(ms: number): Promise<void> {
    return this.wait((resume) => {
      const timer = setTimeout(resume, ms);
      return () => clearTimeout(timer);
    });
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    if (this.#limits.signal) endWithout(this.#limits.signal, this);
    this.#around.ended(this as Call);
    return true;
  }
}
