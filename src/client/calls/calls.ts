/** The open calls: each makes attempts until one succeeds, fails for good, or the call's time is over. */

import { pause } from '../../backoff.js';
import { Deadlines } from '../../deadlines.js';
import { createDebug } from '../../debug.js';
import { ClosedError, DaemonUnavailableError } from '../../errors.js';
import type { Emit } from '../api/events.js';
import type { Settings } from '../config/settings.js';
import type { DaemonSession } from '../healing/daemon-session.js';
import type { Healing } from '../healing/healing.js';
import type { RequestOptions } from '../xmlrpc/request-options.js';
import { Call, type Caller, type CallLimits, type CallSurroundings } from './call.js';
import { PendingLimit } from './pending-limit.js';
import { Semaphore } from './semaphore.js';

const debug = createDebug('apnsd:client');

/** The attempt did not leave, since its footing was lost: the call makes another, and nobody is told. */
export const again = Symbol('again');

/** One attempt of a call. */
export type Attempt<T> = (call: Call, footing: DaemonSession) => Promise<T | typeof again>;

/** Of requests that are not shared; each has a connection. */
const maxAtOnce = 32;

export class Calls {
  readonly #healing: Healing;
  readonly #settings: () => Settings;
  readonly #emit: Emit;
  readonly #open = new Deadlines<Call>();
  readonly #slots = new Semaphore(maxAtOnce);
  readonly #room: PendingLimit;
  /** One for all calls: there may be a hundred thousand. */
  readonly #around: CallSurroundings = {
    why: (call) => this.#why(call),
    ended: (call) => this.#ended(call),
  };
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(healing: Healing, settings: () => Settings, emit: Emit) {
    this.#healing = healing;
    this.#settings = settings;
    this.#emit = emit;
    this.#room = new PendingLimit(() => settings().maxPending, emit);
  }

  /**
   * Opens a call, which ends at its deadline at the latest: with DeadlineError that has the last attempt's error as its
   * cause; before it with ClosedError, or the signal's reason.
   * @throws OverloadedError beyond `maxPending`, ClosedError, or the signal's reason
   */
  open<T>(appId: string, limits: CallLimits, caller: Caller<T>): Call<T> {
    if (this.#closed) throw new ClosedError('the client is closed');
    limits.signal?.throwIfAborted();
    this.#room.acquire();
    const call = new Call(appId, limits, caller, this.#around);
    this.#open.add(call as Call);
    return call;
  }

  /**
   * Makes attempts until the call has ended.
   * @param footing that of the first, where it was made already, and `attempt` says at first what came of it
   */
  attempt<T>(call: Call<T>, attempt: Attempt<T>, footing?: DaemonSession): void {
    this.#attempts(call, attempt, footing).then(
      (value) => call.succeed(value),
      (error) => call.fail(error),
    );
  }

  /** Opens a call and makes its attempts; rejects with what {@link open} throws, and what the call ends with. */
  run<T>(appId: string, attempt: Attempt<T>, limits: CallLimits): Promise<T> {
    return new Promise((succeed, fail) => {
      this.attempt(this.open<T>(appId, limits, { succeed, fail }), attempt);
    });
  }

  /** Makes a request of the call's own, of which only so many go at once. */
  async alone<T>(
    appId: string,
    call: Call,
    footing: DaemonSession,
    request: (options: RequestOptions) => Promise<T>,
  ): Promise<T | typeof again> {
    await this.#slots.acquire(call);
    try {
      if (call.ended) throw call.lastError;
      // The daemon may have gone while the call stood in the queue.
      if (this.#healing.currentSession(appId) !== footing) return again;
      call.departs();
      // The call's own end comes by its signal: an impatient call doesn't show that the daemon is away.
      return await request({ timeoutMs: this.#settings().timeoutMs, signal: call.signal });
    } finally {
      this.#slots.release();
    }
  }

  /** Whether another call may start, with all that were told of room before it. */
  get spare(): boolean {
    return !this.#closed && this.#room.hasRoom;
  }

  /**
   * Resolves when there is room for another call.
   * @throws ClosedError, or the signal's reason
   */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new ClosedError('the client is closed');
    await this.#room.waitForRoom(signal);
  }

  /** There may be more room by the settings, or less. */
  configured(): void {
    this.#room.wakeWaiters();
  }

  /** Rejects what waits with ClosedError, and resolves when what is at the daemon has finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#room.close(new ClosedError('the client was closed before there was room'));
    for (const call of [...this.#open]) if (!call.underWay) call.fail(closed(call.lastError));
    if (this.#open.empty) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  async #attempts<T>(call: Call<T>, attempt: Attempt<T>, begun?: DaemonSession): Promise<T> {
    const { appId } = call;
    let footing = begun;
    for (let pauses = 0; ; footing = undefined) {
      try {
        footing ??= this.#healing.currentSession(appId);
        footing ??= await this.#healing.ready(appId, call as Call);
        if (call.ended) throw call.lastError;
        const value = await attempt(call as Call, footing);
        if (value === again) {
          call.underWay = false;
          continue;
        }
        this.#healing.onAnswer(appId, footing);
        return value;
      } catch (error) {
        if (call.ended) throw error;
        call.underWay = false;
        call.lastError = error;
        debug('%s: attempt %d: %s', appId, call.attempts, error);
        if (footing) this.#healing.onFailure(error, appId, footing);
        if (!this.#healing.isRetriable(error, appId)) throw error;
        if (this.#closed) throw closed(error);
        if (footing) this.#emit('retry', { appId, error, attempts: call.attempts });
        // A repair is awaited, not slept through.
        if (!footing || this.#healing.awaitsRepair(error)) continue;
        pauses += 1;
        await call.pause(pause(this.#settings().retry, pauses));
      }
    }
  }

  #why(call: Call): unknown {
    const known = this.#healing.lastFailure ?? call.lastError;
    if (known !== undefined) return known;
    if (!call.underWay && !this.#healing.isProvisioning(call.appId)) return undefined;
    return new DaemonUnavailableError('the daemon has not answered yet');
  }

  #ended(call: Call): void {
    this.#open.delete(call);
    this.#room.release();
    if (this.#open.empty) this.#whenIdle?.();
  }
}

function closed(cause?: unknown): ClosedError {
  return new ClosedError('the client was closed before the call succeeded', { cause });
}
