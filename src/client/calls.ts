/** The open calls: each makes attempts until one succeeds, fails for good, or the call's time is over. */
import createDebug from 'debug';
import { ClosedError } from '../errors.js';
import { pause } from './backoff.js';
import { Call, type CallLimits } from './call.js';
import type { Footing, Healing } from './healing.js';
import type { Settings } from './settings.js';
import { Slots } from './slots.js';
import type { AttemptOptions, Transport } from './transport.js';

const debug = createDebug('apnsd:client');

/** One attempt of a call. */
export type Attempt<T> = (
  options: AttemptOptions & {
    transport: Transport;
    /** From 1. */
    number: number;
  },
) => Promise<T>;

/** Enough to keep a daemon on the same machine busy; each has a connection. */
const maxAtOnce = 32;

export class Calls {
  readonly #healing: Healing;
  readonly #settings: () => Settings;
  readonly #open = new Set<Call>();
  readonly #slots = new Slots(maxAtOnce);
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(healing: Healing, settings: () => Settings) {
    this.#healing = healing;
    this.#settings = settings;
  }

  /** @throws DeadlineError with the last attempt's error as its cause, ClosedError, or the signal's reason */
  async run<T>(appId: string, attempt: Attempt<T>, limits: CallLimits): Promise<T> {
    if (this.#closed) throw new ClosedError('the client is closed');
    limits.signal?.throwIfAborted();
    const call = new Call<T>(limits, () => this.#healing.trouble);
    this.#open.add(call as Call);
    this.#attempts(appId, attempt, call).then(
      (value) => call.succeed(value),
      (error) => call.fail(error),
    );
    try {
      return await call.promise;
    } finally {
      this.#open.delete(call as Call);
      if (this.#open.size === 0) this.#whenIdle?.();
    }
  }

  /** Rejects what waits with ClosedError, and resolves when what is at the daemon has finished. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#open) if (!call.underWay) call.fail(closed());
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  async #attempts<T>(appId: string, attempt: Attempt<T>, call: Call<T>): Promise<T> {
    for (let pauses = 0; ; ) {
      let footing: Footing | undefined;
      try {
        footing = await this.#turn(appId, call as Call);
        return await this.#attempt(appId, attempt, call as Call, footing);
      } catch (error) {
        if (call.ended) throw error;
        call.lastError = error;
        debug('%s: attempt %d: %s', appId, call.attempts, error);
        if (footing) this.#healing.failed(error, appId, footing);
        if (!this.#healing.canHeal(error, appId)) throw error;
        if (this.#closed) throw closed(error);
        // A repair is awaited, not slept through.
        if (this.#healing.awaitsRepair(error)) continue;
        pauses += 1;
        await call.pause(pause(this.#settings().retry, pauses));
      }
    }
  }

  /** Resolves with a slot taken, when the daemon is there and knows the app. */
  async #turn(appId: string, call: Call): Promise<Footing> {
    for (;;) {
      const footing = this.#healing.standing(appId) ?? (await this.#healing.ready(appId, call));
      await this.#slots.take(call);
      // The daemon may have gone while the call stood in the queue.
      if (!call.ended && this.#healing.standing(appId) === footing) return footing;
      this.#slots.giveBack();
      if (call.ended) throw call.lastError;
    }
  }

  async #attempt<T>(appId: string, attempt: Attempt<T>, call: Call, footing: Footing): Promise<T> {
    const left = Math.max(1, call.deadline - Date.now());
    call.attempts += 1;
    call.underWay = true;
    try {
      const value = await attempt({
        transport: footing.transport,
        number: call.attempts,
        timeoutMs: Math.min(this.#settings().timeoutMs, left),
        signal: call.signal,
      });
      this.#healing.wentThrough(appId, footing);
      return value;
    } finally {
      call.underWay = false;
      this.#slots.giveBack();
    }
  }
}

function closed(cause?: unknown): ClosedError {
  return new ClosedError('the client was closed before the call succeeded', { cause });
}
