/** A call of the app until it ends: its deadline and signal, how often it was sent, and what it waits for at the moment. */
import { endWith, endWithout } from '../../abort.js';
import { WithDeadline } from '../../deadlines.js';
import { DeadlineError } from '../../errors.js';

export interface CallLimits {
  /** The whole call, in milliseconds. */
  deadlineMs: number;
  signal?: AbortSignal | undefined;
}

/** Hears how its call ended, once. */
export interface CallListener<T> {
  onResult(value: T): void;
  onError(reason: unknown): void;
}

/** What a call asks of the registry that has it. */
export interface CallOwner {
  /** Why the call has not succeeded, asked at its deadline. */
  causeOf(call: Call): unknown;
  onEnd(call: Call): void;
}

export class Call<T = unknown> extends WithDeadline {
  readonly appId: string;
  /** How often its request was sent. */
  attempts = 0;
  /** Pauses of its own, between attempts. */
  pauses = 0;
  /** Its request is at the daemon, or the answer has come. */
  inFlight = false;
  /** Why it has not succeeded yet. */
  lastError: unknown;
  /** Takes the call out of whatever it waits for. One function for each wait: cheaper than an AbortSignal (0.4 µs). */
  protected cancelWait: ((reason: unknown) => void) | undefined;
  #ended = false;
  #abort: AbortController | undefined;
  readonly #limits: CallLimits;
  readonly #listener: CallListener<T>;
  readonly #owner: CallOwner;

  constructor(appId: string, limits: CallLimits, listener: CallListener<T>, owner: CallOwner) {
    super(performance.now() + limits.deadlineMs);
    this.appId = appId;
    this.#limits = limits;
    this.#listener = listener;
    this.#owner = owner;
    if (limits.signal) endWith(limits.signal, this as Call);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Aborted when the call ends without success: for requests of its own. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#ended) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Its request is sent. A call that is at the daemon already only asks again, which is no attempt. */
  onSent(): void {
    if (!this.inFlight) this.attempts += 1;
    this.inFlight = true;
  }

  /** The first end counts; there is no second. */
  succeed(value: T): void {
    if (this.#end()) this.#listener.onResult(value);
  }

  /** As with {@link succeed}. Whatever the call waits for is told. */
  fail(reason: unknown): void {
    if (!this.#end()) return;
    this.#listener.onError(reason);
    this.cancelWait?.(reason);
    this.#abort?.abort(reason);
  }

  /** The caller's signal was aborted. */
  abort({ reason }: AbortSignal): void {
    this.fail(reason);
  }

  override expire(): void {
    const cause = this.#owner.causeOf(this as Call);
    const because = cause instanceof Error ? cause.message : 'it was not its turn yet';
    const { deadlineMs } = this.#limits;
    this.fail(new DeadlineError(`no success within ${deadlineMs} ms: ${because}`, { cause }));
  }

  /**
   * Waits; rejects when the call ends first.
   * @param enter gets what ends the wait, and returns what takes the call out of it
   */
  wait(enter: (resume: () => void) => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended) throw new Error('the call has ended');
      const takeOut = enter(() => {
        this.cancelWait = undefined;
        resolve();
      });
      this.cancelWait = (reason) => {
        takeOut();
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
    if (this.#limits.signal) endWithout(this.#limits.signal, this as Call);
    this.#owner.onEnd(this as Call);
    return true;
  }
}
