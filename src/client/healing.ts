/** What the client knows of its daemon (is it there? which apps does it know?), and the one repair at a time that changes this. */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import createDebug from 'debug';
import pRetry from 'p-retry';
import {
  ApnsdError,
  DaemonUnavailableError,
  NotConfiguredError,
  OverloadedError,
  UnknownAppIdError,
} from '../errors.js';
import type { ProvisionRequest } from '../rpc/methods.js';
import { backoff, pause } from './backoff.js';
import type { Call } from './call.js';
import { Outage } from './outage.js';
import type { Settings } from './settings.js';
import { Transport } from './transport.js';

const debug = createDebug('apnsd:heal');

/** What an attempt stands on; what it saw fail is compared, by identity, with what stands now. */
export interface Footing {
  readonly transport: Transport;
  /** How many outages there had been. */
  readonly era: number;
}

/** An entry of `initial`. */
interface KnownApp {
  entry: ProvisionRequest;
  /** Absent: must be provisioned. */
  configured?: Provisioning;
  /** How often the daemon forgot it since a call last went through. */
  forgotten: number;
}

/** Pending without a footing, settled with one. */
interface Provisioning {
  done: Promise<void>;
  footing?: Footing;
}

export class Healing {
  #settings: Settings;
  #transport: Transport;
  #apps = new Map<string, KnownApp>();
  /** Of apps that are not in `initial`: the daemon has them from elsewhere. */
  #elsewhere: Footing;
  #outage: Outage | undefined;
  /** Counts outages; never goes back. */
  #era = 0;
  /** Outages since a call last went through: from the second on, the repair waits before it knocks. */
  #outagesInVain = 0;
  readonly #closing = new AbortController();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#transport = new Transport(settings.host);
    this.#elsewhere = this.#footing();
    // One listener for each app that is being provisioned.
    setMaxListeners(0, this.#closing.signal);
    this.configure(settings);
  }

  /** Takes new settings; an app whose entry did not change stays provisioned. */
  configure(settings: Settings): void {
    const sameHost = JSON.stringify(settings.host) === JSON.stringify(this.#settings.host);
    const before = sameHost ? this.#apps : new Map<string, KnownApp>();
    if (!sameHost) {
      void this.#transport.close();
      this.#transport = new Transport(settings.host);
      this.#elsewhere = this.#footing();
    }
    this.#settings = settings;
    this.#apps = new Map();
    for (const [appId, entry] of settings.initial) {
      const known = before.get(appId);
      const same = known && JSON.stringify(known.entry) === JSON.stringify(entry);
      this.#apps.set(appId, same ? known : { entry, forgotten: 0 });
    }
  }

  /** Why the daemon can't be reached; undefined where it can. */
  get trouble(): unknown {
    return this.#outage?.lastError;
  }

  /** The footing where the daemon is there and knows the app, as far as is known. */
  standing(appId: string): Footing | undefined {
    if (this.#outage) return undefined;
    const app = this.#apps.get(appId);
    return app ? app.configured?.footing : this.#elsewhere;
  }

  /** Resolves when the daemon is there and knows the app. */
  async ready(appId: string, call: Call): Promise<Footing> {
    for (;;) {
      while (this.#outage) await this.#outage.wait(call);
      const standing = this.standing(appId);
      if (standing) return standing;
      const app = this.#apps.get(appId);
      if (!app) continue;
      app.configured ??= this.#provision(app);
      await app.configured.done;
    }
  }

  /** Learns from an attempt's failure; an unreachable daemon starts the repair. */
  failed(error: unknown, appId: string, footing: Footing): void {
    if (error instanceof DaemonUnavailableError) this.#startOutage(error, footing.era);
    if (!isForgotten(error)) return;
    const app = this.#apps.get(appId);
    // Another call may have had it provisioned again: only what this one saw fail is cleared.
    if (!app || app.configured?.footing !== footing) return;
    debug('%s: forgotten by the daemon', appId);
    delete app.configured;
    app.forgotten += 1;
  }

  /** An attempt that began on this footing had an answer. */
  wentThrough(appId: string, footing: Footing): void {
    if (footing.era === this.#era) this.#outagesInVain = 0;
    const app = this.#apps.get(appId);
    if (app?.configured?.footing === footing) app.forgotten = 0;
  }

  /** Whether the call may be repeated after this error. */
  canHeal(error: unknown, appId: string): error is ApnsdError {
    return isRetriable(error) && (!isForgotten(error) || this.#apps.has(appId));
  }

  /** Whether a repair is what the next attempt waits for, rather than a pause of its own. */
  awaitsRepair(error: unknown): boolean {
    return error instanceof DaemonUnavailableError || isForgotten(error);
  }

  /** Has the app provisioned again by the next attempt, whatever is known. */
  forget(appId: string): void {
    const app = this.#apps.get(appId);
    if (app) delete app.configured;
  }

  /** Ends a repair that is under way, lets what is at the daemon finish, leaves no handle open. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#transport.close();
  }

  #footing(): Footing {
    return { transport: this.#transport, era: this.#era };
  }

  #provision(app: KnownApp): Provisioning {
    const footing = this.#footing();
    const provisioning: Provisioning = {
      done: this.#provisionOnce(app, footing).then(
        () => {
          provisioning.footing = footing;
        },
        (error) => {
          if (app.configured === provisioning) delete app.configured;
          if (isRetriable(error)) this.#startOutage(error, footing.era);
          throw error;
        },
      ),
    };
    return provisioning;
  }

  async #provisionOnce({ entry, forgotten }: KnownApp, { transport }: Footing): Promise<void> {
    const { timeoutMs, retry } = this.#settings;
    const { appId } = entry;
    const signal = this.#closing.signal;
    // The first repair is immediate.
    if (forgotten > 1) await delay(pause(retry, forgotten - 1), undefined, { signal });
    debug('%s: provisioning', appId);
    await transport.call('apnsd.provision', [{ ...entry }], { timeoutMs, signal });
    debug('%s: provisioned', appId);
  }

  #startOutage(cause: ApnsdError, era: number): void {
    // A late failure of before the last repair says nothing of now.
    if (this.#outage || era !== this.#era) return;
    debug('outage: %s', cause);
    this.#era += 1;
    this.#outagesInVain += 1;
    this.#outage = new Outage(cause);
    this.#elsewhere = this.#footing();
    for (const app of this.#apps.values()) delete app.configured;
    void this.#repair(this.#outage);
  }

  async #repair(outage: Outage): Promise<void> {
    const { retry } = this.#settings;
    const signal = this.#closing.signal;
    try {
      const inVain = this.#outagesInVain - 1;
      if (inVain > 0) await delay(pause(retry, inVain), undefined, { signal });
      await pRetry(() => this.#knock(), {
        ...backoff(retry),
        signal,
        onFailedAttempt: ({ error, attemptNumber }) => {
          debug('knock %d: %s', attemptNumber, error.message);
          outage.lastError = error;
        },
        // Nobody waits any more: the next call begins anew.
        shouldRetry: () => outage.waiting > 0,
      });
      debug('the daemon is there');
    } catch (error) {
      // Whoever still waits makes an attempt, and meets what is wrong by itself.
      debug('the repair ended: %s', error);
    } finally {
      this.#outage = undefined;
      outage.end();
    }
  }

  /** Any answer shows that the daemon is there, but for the one that says it is leaving. */
  async #knock(): Promise<void> {
    const { timeoutMs } = this.#settings;
    const signal = this.#closing.signal;
    try {
      await this.#transport.call('system.listMethods', [], { timeoutMs, signal });
    } catch (error) {
      const absent = error instanceof DaemonUnavailableError || error instanceof OverloadedError;
      if (absent || signal.aborted) throw error;
    }
  }
}

function isForgotten(error: unknown): error is ApnsdError {
  return error instanceof UnknownAppIdError || error instanceof NotConfiguredError;
}

function isRetriable(error: unknown): error is ApnsdError {
  return error instanceof ApnsdError && error.retriable;
}
