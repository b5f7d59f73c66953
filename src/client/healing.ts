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
import { Outage } from './outage.js';
import type { Settings } from './settings.js';
import { Transport } from './transport.js';

const debug = createDebug('apnsd:heal');

/** An entry of `initial`. */
interface KnownApp {
  entry: ProvisionRequest;
  /** Absent: must be provisioned; pending: is being provisioned; settled: is provisioned. */
  configured?: Provisioning;
  /** How often the daemon forgot it since a call last went through. */
  forgotten: number;
}

interface Provisioning {
  done: Promise<void>;
}

/** What an attempt began with; what it saw fail is compared with what stands now. */
export interface Footing {
  transport: Transport;
  appId: string;
  configured: Provisioning | undefined;
  /** How many outages there had been. */
  era: number;
}

export class Healing {
  #settings: Settings;
  #transport: Transport;
  #apps = new Map<string, KnownApp>();
  #outage: Outage | undefined;
  /** Counts outages; never goes back. */
  #era = 0;
  /** Outages since a call last went through: from the second on, the repair waits before it knocks. */
  #outagesInVain = 0;
  readonly #closing = new AbortController();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#transport = new Transport(settings.host);
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

  /** Resolves when the daemon is there and knows the app. */
  async ready(appId: string, signal: AbortSignal): Promise<Footing> {
    while (this.#outage) await this.#outage.wait(signal);
    const app = this.#apps.get(appId);
    if (app) {
      app.configured ??= this.#provision(app);
      await app.configured.done;
    }
    const { configured } = app ?? {};
    return { transport: this.#transport, appId, configured, era: this.#era };
  }

  /** Whether nothing has changed since, so that an attempt may begin. */
  stands({ transport, appId, configured, era }: Footing): boolean {
    if (this.#outage || era !== this.#era || transport !== this.#transport) return false;
    return this.#apps.get(appId)?.configured === configured;
  }

  /** Learns from an attempt's failure; an unreachable daemon starts the repair. */
  failed(error: unknown, { appId, configured, era }: Footing): void {
    if (error instanceof DaemonUnavailableError) this.#startOutage(error, era);
    const app = this.#apps.get(appId);
    // Another call may have had it provisioned again: only what this one saw fail is cleared.
    if (isForgotten(error) && app && app.configured === configured) {
      debug('%s: forgotten by the daemon', appId);
      delete app.configured;
      app.forgotten += 1;
    }
  }

  wentThrough({ appId, era }: Footing): void {
    if (era === this.#era) this.#outagesInVain = 0;
    const app = this.#apps.get(appId);
    if (app) app.forgotten = 0;
  }

  /** Whether the call may be repeated after this error. */
  canHeal(error: unknown, appId: string): boolean {
    if (this.#closing.signal.aborted || !isRetriable(error)) return false;
    return !isForgotten(error) || this.#apps.has(appId);
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

  #provision(app: KnownApp): Provisioning {
    const era = this.#era;
    const done = this.#provisionOnce(app).catch((error) => {
      if (app.configured === provisioning) delete app.configured;
      if (isRetriable(error)) this.#startOutage(error, era);
      throw error;
    });
    const provisioning = { done };
    return provisioning;
  }

  async #provisionOnce({ entry, forgotten }: KnownApp): Promise<void> {
    const { timeoutMs, retry } = this.#settings;
    const signal = this.#closing.signal;
    // The first repair is immediate.
    if (forgotten > 1) await delay(pause(retry, forgotten - 1), undefined, { signal });
    debug('%s: provisioning', entry.appId);
    await this.#transport.call('apnsd.provision', [{ ...entry }], { timeoutMs, signal });
    debug('%s: provisioned', entry.appId);
  }

  #startOutage(error: unknown, era: number): void {
    // A late failure of before the last repair says nothing of now.
    if (this.#outage || era !== this.#era) return;
    debug('outage: %s', error);
    this.#era += 1;
    this.#outagesInVain += 1;
    this.#outage = new Outage(error);
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

function isForgotten(error: unknown): boolean {
  return error instanceof UnknownAppIdError || error instanceof NotConfiguredError;
}

function isRetriable(error: unknown): boolean {
  return error instanceof ApnsdError && error.retriable;
}
