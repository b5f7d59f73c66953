/** The open calls of a client, and what comes after an attempt that failed. */
import { pause } from '../../backoff.js';
import { Deadlines } from '../../deadlines.js';
import { createDebug } from '../../debug.js';
import { ClosedError, DaemonUnavailableError } from '../../errors.js';
import type { Emit } from '../api/events.js';
import type { Settings } from '../config/settings.js';
import type { DaemonSession } from '../healing/daemon-session.js';
import type { Healing } from '../healing/healing.js';
import type { RequestOptions } from '../xmlrpc/request-options.js';
import { Call, type CallLimits, type CallListener, type CallOwner } from './call.js';
import { PendingLimit } from './pending-limit.js';
import { Semaphore } from './semaphore.js';

const debug = createDebug('apnsd:client');

/** The attempt was not sent, since its session was lost meanwhile: the call makes another, and nobody is told. */
export const notSent = Symbol('not sent');

/** One attempt of a call. */
export type Attempt<T> = (call: Call, session: DaemonSession) => Promise<T | typeof notSent>;

/** Of requests that are not shared; each has a connection. */
const maxUnshared = 32;

export class Calls {
  readonly #healing: Healing;
  readonly #settings: () => Settings;
  readonly #emit: Emit;
  readonly #open = new Deadlines<Call>();
  readonly #unshared = new Semaphore(maxUnshared);
  readonly #limit: PendingLimit;
  /** One object for all calls: there may be a hundred thousand. */
  readonly #owner: CallOwner = {
    causeOf: (call) => this.#causeOf(call),
    onEnd: (call) => this.#onEnd(call),
  };
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(healing: Healing, settings: () => Settings, emit: Emit) {
    this.#healing = healing;
    this.#settings = settings;
    this.#emit = emit;
    this.#limit = new PendingLimit(() => settings().maxPending, emit);
  }

  /**
   * Registers a call. It ends at its deadline at the latest, with DeadlineError that has the last attempt's error as its
   * cause; before it with ClosedError, or the signal's reason.
   * @throws OverloadedError beyond `maxPending`, ClosedError, or the signal's reason
   */
  open<C extends Call>({ signal }: CallLimits, make: (owner: CallOwner) => C): C {
    if (this.#closed) throw new ClosedError('the client is closed');
    signal?.throwIfAborted();
    this.#limit.acquire();
    const call = make(this.#owner);
    this.#open.add(call as Call);
    return call;
  }

  /** Makes attempts until one succeeds; rejects with what {@link open} throws, and what the call ends with. */
  run<T>(appId: string, attempt: Attempt<T>, limits: CallLimits): Promise<T> {
    return new Promise((onResult, onError) => {
      const listener: CallListener<T> = { onResult, onError };
      const call = this.open(limits, (owner) => new Call(appId, limits, listener, owner));
      this.#attempts(call, attempt).then(
        (value) => call.succeed(value),
        (error) => call.fail(error),
      );
    });
  }

  /**
   * What comes after an attempt that failed.
   * @param session that it was made in; undefined where there was none to be had
   * @returns the pause before the next one, in milliseconds; 0 where a repair is awaited instead
   * @throws the error where the call is not to be repeated, ClosedError
   */
  pauseAfter(error: unknown, call: Call, session: DaemonSession | undefined): number {
    const { appId } = call;
    call.inFlight = false;
    call.lastError = error;
    debug('%s: attempt %d: %s', appId, call.attempts, error);
    if (session) this.#healing.onFailure(error, appId, session);
    if (!this.#healing.isRetriable(error, appId)) throw error;
    if (this.#closed) throw closed(error);
    if (!session) return 0;
    this.#emit('retry', { appId, error, attempts: call.attempts });
    if (this.#healing.awaitsRepair(error)) return 0;
    call.pauses += 1;
    return pause(this.#settings().retry, call.pauses);
  }

  /** Makes a request of the call's own, of which only so many are in flight at once. */
  async sendUnshared<T>(
    call: Call,
    session: DaemonSession,
    request: (options: RequestOptions) => Promise<T>,
  ): Promise<T | typeof notSent> {
    await this.#unshared.acquire(call);
    try {
      if (call.ended) throw call.lastError;
      // The daemon may have gone while the call stood in the queue.
      if (this.#healing.currentSession(call.appId) !== session) return notSent;
      call.onSent();
      // The call's own end comes by its signal: an impatient call doesn't show that the daemon is away.
      return await request({ timeoutMs: this.#settings().timeoutMs, signal: call.signal });
    } finally {
      this.#unshared.release();
    }
  }

  /** Whether another call may start, with all that were promised room before it. */
  get hasRoom(): boolean {
    return !this.#closed && this.#limit.hasRoom;
  }

  /**
   * Resolves when there is room for another call.
   * @throws ClosedError, or the signal's reason
   */
  async waitForRoom(signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new ClosedError('the client is closed');
    await this.#limit.waitForRoom(signal);
  }

  /** New settings may leave more room, or less. */
  onConfigured(): void {
    this.#limit.wakeWaiters();
  }

  /** Rejects what waits with ClosedError, and resolves when what is at the daemon has finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#limit.close(new ClosedError('the client was closed before there was room'));
    for (const call of [...this.#open]) if (!call.inFlight) call.fail(closed(call.lastError));
    if (this.#open.empty) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  async #attempts<T>(call: Call<T>, attempt: Attempt<T>): Promise<T> {
    const { appId } = call;
    for (;;) {
      let session: DaemonSession | undefined;
      try {
        session = this.#healing.currentSession(appId);
        session ??= await this.#healing.waitForSession(appId, call as Call);
        if (call.ended) throw call.lastError;
        const value = await attempt(call as Call, session);
        if (value !== notSent) {
          this.#healing.onAnswer(appId, session);
          return value;
        }
        call.inFlight = false;
      } catch (error) {
        if (call.ended) throw error;
        const pauseMs = this.pauseAfter(error, call as Call, session);
        if (pauseMs > 0) await call.pause(pauseMs);
      }
    }
  }

  #causeOf(call: Call): unknown {
    const known = this.#healing.lastFailure ?? call.lastError;
    if (known !== undefined) return known;
    if (!call.inFlight && !this.#healing.isProvisioning(call.appId)) return undefined;
    return new DaemonUnavailableError('the daemon has not answered yet');
  }

  #onEnd(call: Call): void {
    this.#open.delete(call);
    this.#limit.release();
    if (this.#open.empty) this.#onIdle?.();
  }
}

function closed(cause?: unknown): ClosedError {
  return new ClosedError('the client was closed before the call succeeded', { cause });
}
