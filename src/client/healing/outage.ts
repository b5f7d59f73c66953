/** A time in which the daemon can't be reached: why, since when, which calls wait for its end, and the one repair that probes for them all. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoff, pause } from '../../backoff.js';
import { createDebug } from '../../debug.js';
import type { ApnsdError } from '../../errors.js';
import type { Call } from '../calls/call.js';
import type { Settings } from '../config/settings.js';
import { packages } from '../xmlrpc/packages.js';

const debug = createDebug('apnsd:heal');

export interface OutageOptions {
  cause: ApnsdError;
  /** Failures that went before: after them, the first probe pauses. */
  failures: number;
  settings: () => Settings;
  /** Resolves where the daemon is there. */
  probe: (signal: AbortSignal) => Promise<void>;
  /** A probe was answered; the calls that wait are resumed next. */
  onEnd: () => void;
}

export class Outage {
  readonly cause: ApnsdError;
  readonly startedAt = performance.now();
  probes = 0;
  /** Why the last attempt to get through failed. */
  lastError: unknown;
  readonly #options: OutageOptions;
  #failures: number;
  /** In milliseconds of performance.now; no probe is sent before, whichever calls come and go. */
  #nextProbeAt: number;
  readonly #waiting = new Set<() => void>();
  /** Ends the repair; undefined while no call waits. */
  #repair: AbortController | undefined;

  constructor(options: OutageOptions) {
    const { cause, failures, settings } = options;
    this.cause = cause;
    this.lastError = cause;
    this.#options = options;
    this.#failures = failures;
    // The first repair is immediate.
    this.#nextProbeAt = failures > 0 ? performance.now() + pause(settings().retry, failures) : 0;
  }

  /**
   * Resolves at the end of the outage. A call that ends first leaves nothing behind, so that a long outage does not
   * collect all that ever waited; the last to leave ends the repair, which would keep an idle process alive.
   */
  wait(call: Call): Promise<void> {
    return call.wait((resume) => {
      this.#waiting.add(resume);
      if (!this.#repair) this.#start();
      return () => {
        this.#waiting.delete(resume);
        if (this.#waiting.size === 0) this.#stop();
      };
    });
  }

  /** Probes at once: there is a new host. */
  startAgain(): void {
    this.#failures = 0;
    this.#nextProbeAt = 0;
    this.#stop();
    if (this.#waiting.size > 0) this.#start();
  }

  #start(): void {
    const repair = new AbortController();
    this.#repair = repair;
    this.#run(repair.signal).then(
      () => {
        if (!repair.signal.aborted) this.#end();
      },
      (error) => {
        // Only this ends a repair that does not succeed: nobody waits any more, or another was started.
        if (!repair.signal.aborted) throw error;
      },
    );
  }

  #stop(): void {
    this.#repair?.abort();
    this.#repair = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { settings, probe } = this.#options;
    const { retry } = settings();
    const pauseMs = this.#nextProbeAt - performance.now();
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
    const attempt = () => {
      this.probes += 1;
      return probe(signal);
    };
    const onFailedAttempt = ({ error }: { error: Error }) => {
      if (signal.aborted) return;
      debug('probe %d: %s', this.probes, error.message);
      this.lastError = error;
      this.#failures += 1;
      this.#nextProbeAt = performance.now() + pause(retry, this.#failures);
    };
    const { pRetry } = await packages();
    await pRetry(attempt, { ...backoff(retry, this.#failures), signal, onFailedAttempt });
  }

  #end(): void {
    debug('the daemon is there after %d probes', this.probes);
    this.#options.onEnd();
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }
}
