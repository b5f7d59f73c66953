/** What the client knows of its daemon (is it there? which apps does it know?), and the one repair at a time that changes this. */
import { setMaxListeners } from 'node:events';
import { createDebug } from '../../debug.js';
import {
  ApnsdError,
  DaemonUnavailableError,
  NotConfiguredError,
  OverloadedError,
  UnknownAppIdError,
} from '../../errors.js';
import type { ProvisionRequest } from '../../rpc/methods.js';
import type { Emit } from '../api/events.js';
import type { Call } from '../calls/call.js';
import type { Settings } from '../config/settings.js';
import { Transport } from '../xmlrpc/transport.js';
import { KnownApp } from './app-provisioning.js';
import { Footing } from './daemon-session.js';
import { Outage } from './outage.js';

const debug = createDebug('apnsd:heal');

export class Healing {
  #settings: Settings;
  readonly #emit: Emit;
  #transport: Transport;
  /** Those of `initial`. */
  #apps = new Map<string, KnownApp>();
  /** Of apps that are not in `initial`: the daemon has them from elsewhere. */
  #elsewhere: Footing;
  #outage: Outage | undefined;
  /** Counts outages and hosts; never goes back. */
  #era = 0;
  /** Outages since a call last went through: from the second on, the repair waits before it knocks. */
  #outagesInVain = 0;
  readonly #closing = new AbortController();

  constructor(settings: Settings, emit: Emit) {
    this.#settings = settings;
    this.#emit = emit;
    this.#transport = this.#transportTo(settings);
    this.#elsewhere = this.#footing();
    // One listener for each app that is being provisioned.
    setMaxListeners(0, this.#closing.signal);
    this.#takeApps(settings);
  }

  /** Takes new settings; an app whose entry did not change stays provisioned. */
  configure(settings: Settings): void {
    const sameHost = JSON.stringify(settings.host) === JSON.stringify(this.#settings.host);
    this.#settings = settings;
    if (!sameHost) {
      void this.#transport.close();
      this.#transport = this.#transportTo(settings);
      this.#newEra();
    }
    this.#takeApps(settings);
    if (!sameHost) this.#outage?.startAgain();
  }

  /** Why the daemon can't be reached; undefined where it can. */
  get trouble(): unknown {
    return this.#outage?.lastError;
  }

  /** The daemon was told of the app, and has not answered yet. */
  provisions(appId: string): boolean {
    return this.#apps.get(appId)?.pending ?? false;
  }

  /** The footing where the daemon is there and knows the app, as far as is known. */
  standing(appId: string): Footing | undefined {
    if (this.#outage) return undefined;
    const app = this.#apps.get(appId);
    return app ? app.footing : this.#elsewhere;
  }

  /** Resolves when the daemon is there and knows the app. */
  async ready(appId: string, call: Call): Promise<Footing> {
    for (;;) {
      while (this.#outage) await this.#outage.wait(call);
      const standing = this.standing(appId);
      if (standing) return standing;
      await this.#apps.get(appId)?.provision(this.#footing());
    }
  }

  /** An attempt that stood on this footing failed; an unreachable daemon starts the repair. */
  failed(error: unknown, appId: string, footing: Footing): void {
    if (error instanceof DaemonUnavailableError) this.#unreachable(error, footing);
    else if (isForgotten(error)) this.#apps.get(appId)?.forgotten(error, footing);
    else this.answered(appId, footing);
  }

  /** An attempt that stood on this footing had an answer: the daemon was there and knew the app. */
  answered(appId: string, footing: Footing): void {
    if (footing.era === this.#era) this.#outagesInVain = 0;
    this.#apps.get(appId)?.answered(footing);
  }

  /** Whether the call may be repeated after this error. */
  canHeal(error: unknown, appId: string): error is ApnsdError {
    const retriable = error instanceof ApnsdError && error.retriable;
    return retriable && (!isForgotten(error) || this.#apps.has(appId));
  }

  /** Whether a repair is what the next attempt waits for, rather than a pause of its own. */
  awaitsRepair(error: unknown): boolean {
    return error instanceof DaemonUnavailableError || isForgotten(error);
  }

  /** Has the app provisioned again by the next attempt, whatever is known. */
  forget(appId: string): void {
    this.#apps.get(appId)?.forget();
  }

  /** Ends provisionings under way, lets what is at the daemon finish, leaves no handle open. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#transport.close();
  }

  #transportTo({ host }: Settings): Transport {
    return new Transport(host, () => this.#settings.maxAnswerBytes);
  }

  #footing(): Footing {
    return new Footing(this.#transport, this.#era);
  }

  #takeApps({ initial }: Settings): void {
    const before = this.#apps;
    this.#apps = new Map();
    for (const [appId, entry] of initial) {
      const app = before.get(appId) ?? this.#knownApp(entry);
      app.change(entry);
      this.#apps.set(appId, app);
    }
  }

  #knownApp(entry: ProvisionRequest): KnownApp {
    return new KnownApp(entry, {
      settings: () => this.#settings,
      closing: this.#closing.signal,
      emit: this.#emit,
      unreachable: (error, footing) => this.#unreachable(error, footing),
    });
  }

  #unreachable(cause: ApnsdError, { era }: Footing): void {
    // A late failure of before the last repair, or of another host, says nothing of now.
    if (this.#outage || era !== this.#era) return;
    debug('outage: %s', cause);
    this.#outage = new Outage({
      cause,
      failures: this.#outagesInVain,
      settings: () => this.#settings,
      knock: (signal) => this.#knock(signal),
      onEnd: () => this.#repaired(),
    });
    this.#outagesInVain += 1;
    this.#newEra();
    this.#emit('healing', { cause });
  }

  #repaired(): void {
    if (!this.#outage) return;
    const { cause, startedAt, knocks } = this.#outage;
    this.#outage = undefined;
    this.#emit('healed', {
      cause,
      durationMs: Math.round(performance.now() - startedAt),
      attempts: knocks,
    });
  }

  /** What was known of the daemon is so no more. */
  #newEra(): void {
    this.#era += 1;
    this.#elsewhere = this.#footing();
    for (const app of this.#apps.values()) app.lose();
  }

  /** Any answer shows that the daemon is there, but for the one that says it is leaving. */
  async #knock(signal: AbortSignal): Promise<void> {
    const { timeoutMs } = this.#settings;
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
