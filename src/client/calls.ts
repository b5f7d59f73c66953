/** The life of each call: attempts until one succeeds, fails for good, or the call's time is over. */
import { setMaxListeners } from 'node:events';
import createDebug from 'debug';
import pRetry from 'p-retry';
import { ClosedError, DeadlineError } from '../errors.js';
import { backoff } from './backoff.js';
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

export interface CallLimits {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
}

/** Enough to keep a daemon on the same machine busy; each has a connection. */
const maxAtOnce = 32;

interface OpenCall {
  /** Its request is at the daemon. */
  underWay: boolean;
  end: (reason: unknown) => void;
}

export class Calls {
  readonly #healing: Healing;
  readonly #settings: () => Settings;
  readonly #slots = new Slots(maxAtOnce);
  readonly #open = new Set<OpenCall>();
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(healing: Healing, settings: () => Settings) {
    this.#healing = healing;
    this.#settings = settings;
  }

  /** @throws DeadlineError with the last attempt's error as its cause, ClosedError, or the signal's reason */
  async run<T>(appId: string, attempt: Attempt<T>, { deadlineMs, signal }: CallLimits): Promise<T> {
    if (this.#closed) throw new ClosedError('the client is closed');
    signal?.throwIfAborted();
    // One signal may end thousands of calls.
    if (signal) setMaxListeners(0, signal);
    const deadline = Date.now() + deadlineMs;
    const over = new AbortController();
    let lastError: unknown;
    let number = 0;

    const once = async () => {
      const footing = await this.#turn(appId, over.signal);
      const timeoutMs = Math.max(1, Math.min(this.#settings().timeoutMs, deadline - Date.now()));
      call.underWay = true;
      number += 1;
      try {
        const { transport } = footing;
        const value = await attempt({ transport, number, timeoutMs, signal: over.signal });
        this.#healing.wentThrough(footing);
        return value;
      } catch (error) {
        this.#healing.failed(error, footing);
        throw error;
      } finally {
        call.underWay = false;
        this.#slots.giveBack();
      }
    };

    const call: OpenCall = { underWay: false, end: () => undefined };
    // Deadline and abort race outside of p-retry, which would throw away a receipt that comes together with them.
    return new Promise<T>((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#open.delete(call);
        settle();
        if (this.#open.size === 0) this.#whenIdle?.();
      };
      call.end = (reason) => {
        finish(() => reject(reason));
        over.abort(reason);
      };
      const timer = setTimeout(() => {
        const cause = this.#healing.trouble ?? lastError;
        const because = cause instanceof Error ? `: ${cause.message}` : '';
        call.end(new DeadlineError(`no success within ${deadlineMs} ms${because}`, { cause }));
      }, deadlineMs);
      const onAbort = () => call.end(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#open.add(call);

      pRetry(once, {
        ...backoff(this.#settings().retry),
        signal: over.signal,
        onFailedAttempt: ({ error, attemptNumber }) => {
          lastError = error;
          debug('%s: attempt %d: %s', appId, attemptNumber, error.message);
        },
        shouldRetry: ({ error }) => !this.#closed && this.#healing.canHeal(error, appId),
        shouldConsumeRetry: ({ error }) => !this.#healing.awaitsRepair(error),
      }).then(
        (value) => finish(() => resolve(value)),
        (error) => {
          const gaveUp = this.#closed && this.#healing.canHeal(error, appId);
          finish(() => reject(gaveUp ? closed(error) : error));
        },
      );
    });
  }

  /** Resolves with a slot taken, when the daemon is there and knows the app. */
  async #turn(appId: string, signal: AbortSignal): Promise<Footing> {
    for (;;) {
      const footing = await this.#healing.ready(appId, signal);
      signal.throwIfAborted();
      await this.#slots.take(signal);
      // The daemon may have gone while the call stood in the queue.
      if (this.#healing.stands(footing)) return footing;
      this.#slots.giveBack();
    }
  }

  /** Rejects what waits with ClosedError, and resolves when what is at the daemon has finished. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#open) {
      if (!call.underWay) call.end(closed());
    }
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }
}

function closed(cause?: unknown): ClosedError {
  return new ClosedError('the client was closed before the call succeeded', { cause });
}
