/** One call of the app: its promise, its deadline, and whatever it waits for at the moment. */
import { setMaxListeners } from 'node:events';
import { DeadlineError } from '../errors.js';

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

export class Call<T = unknown> {
  readonly appId: string;
  readonly promise: Promise<T>;
  /** UNIX milliseconds. */
  readonly deadline: number;
  /** How often its request has left. */
  attempts = 0;
  /** It is at the daemon, or its answer has come. */
  underWay = false;
  /** Why it has not succeeded yet. */
  lastError: unknown;
  #ended = false;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  /** Leaves what it waits for. */
  #leave: ((reason: unknown) => void) | undefined;
  #abort: AbortController | undefined;
  readonly #around: CallSurroundings;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor(appId: string, { deadlineMs, signal }: CallLimits, around: CallSurroundings) {
    this.appId = appId;
    this.#around = around;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.deadline = Date.now() + deadlineMs;
    this.#timer = setTimeout(() => {
      const cause = around.why(this as Call);
      const because = cause instanceof Error ? cause.message : 'it was not its turn yet';
      this.fail(new DeadlineError(`no success within ${deadlineMs} ms: ${because}`, { cause }));
    }, deadlineMs);
    if (signal) {
      // One signal may end thousands of calls.
      setMaxListeners(0, signal);
      this.#signal = signal;
      this.#onAbort = () => this.fail(signal.reason);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
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

  succeed(value: T): void {
    if (this.#end()) this.#resolve(value);
  }

  /** Nothing happens where it has ended: the first end counts. */
  fail(reason: unknown): void {
    if (!this.#end()) return;
    this.#reject(reason);
    this.#leave?.(reason);
    this.#abort?.abort(reason);
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
          this.#leave = undefined;
          resolve(value);
        },
        (reason) => {
          this.#leave = undefined;
          reject(reason);
        },
      );
      this.#leave = (reason) => {
        this.#leave = undefined;
        takeBack();
        reject(reason);
      };
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
    clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#around.ended(this as Call);
    return true;
  }
}
