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
import { AppProvisioning } from './app-provisioning.js';
import { DaemonSession } from './daemon-session.js';
import { Outage } from './outage.js';

const debug = createDebug('apnsd:heal');

export class Healing {
  #settings: Settings;
  readonly #emit: Emit;
  #transport: Transport;
  /** Those of `initial`. */
  #apps = new Map<string, AppProvisioning>();
  /** For apps that are not in `initial`: the daemon has them from elsewhere. */
  #sessionOfOthers: DaemonSession;
  #outage: Outage | undefined;
  /** Counts outages and hosts. */
  #epoch = 0;
  /** Outages since a call last succeeded: from the second on, the repair pauses before its first probe. */
  #outagesSinceSuccess = 0;
  readonly #closing = new AbortController();

  constructor(settings: Settings, emit: Emit) {
    this.#settings = settings;
    this.#emit = emit;
    this.#transport = this.#transportTo(settings);
    this.#sessionOfOthers = this.#newSession();
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
      this.#startEpoch();
    }
    this.#takeApps(settings);
    if (!sameHost) this.#outage?.startAgain();
  }

  /** Why the daemon can't be reached; undefined where it can. */
  get lastFailure(): unknown {
    return this.#outage?.lastError;
  }

  /** The daemon was told of the app, and has not answered yet. */
  isProvisioning(appId: string): boolean {
    return this.#apps.get(appId)?.isProvisioning ?? false;
  }

  /** The session to call in, where the daemon is there and knows the app as far as is known. */
  currentSession(appId: string): DaemonSession | undefined {
    if (this.#outage) return undefined;
    const app = this.#apps.get(appId);
    return app ? app.session : this.#sessionOfOthers;
  }

  /** Resolves when the daemon is there and knows the app. */
  async waitForSession(appId: string, call: Call): Promise<DaemonSession> {
    for (;;) {
      while (this.#outage) await this.#outage.wait(call);
      const current = this.currentSession(appId);
      if (current) return current;
      await this.#apps.get(appId)?.provision(this.#newSession());
    }
  }

  /** An attempt in this session failed; an unreachable daemon starts the repair. */
  onFailure(error: unknown, appId: string, session: DaemonSession): void {
    if (error instanceof DaemonUnavailableError) this.#onUnreachable(error, session);
    else if (isUnknownApp(error)) this.#apps.get(appId)?.onForgotten(error, session);
    else this.onAnswer(appId, session);
  }

  /** An attempt in this session had an answer: the daemon was there and knew the app. */
  onAnswer(appId: string, session: DaemonSession): void {
    if (session.epoch === this.#epoch) this.#outagesSinceSuccess = 0;
    this.#apps.get(appId)?.onAnswer(session);
  }

  /** Whether the call may be repeated after this error. */
  isRetriable(error: unknown, appId: string): error is ApnsdError {
    const retriable = error instanceof ApnsdError && error.retriable;
    return retriable && (!isUnknownApp(error) || this.#apps.has(appId));
  }

  /** Whether a repair is what the next attempt waits for, rather than a pause of its own. */
  awaitsRepair(error: unknown): boolean {
    return error instanceof DaemonUnavailableError || isUnknownApp(error);
  }

  /** Has the app provisioned again by the next attempt, whatever is known. */
  invalidate(appId: string): void {
    this.#apps.get(appId)?.invalidate();
  }

  /** Ends provisionings under way, lets what is at the daemon finish, leaves no handle open. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#transport.close();
  }

  #transportTo({ host }: Settings): Transport {
    return new Transport(host, () => this.#settings.maxAnswerBytes);
  }

  #newSession(): DaemonSession {
    return new DaemonSession(this.#transport, this.#epoch);
  }

  #takeApps({ initial }: Settings): void {
    const before = this.#apps;
    this.#apps = new Map();
    for (const [appId, entry] of initial) {
      const app = before.get(appId) ?? this.#newApp(entry);
      app.change(entry);
      this.#apps.set(appId, app);
    }
  }

  #newApp(entry: ProvisionRequest): AppProvisioning {
    return new AppProvisioning(entry, {
      settings: () => this.#settings,
      closing: this.#closing.signal,
      emit: this.#emit,
      onUnreachable: (error, session) => this.#onUnreachable(error, session),
    });
  }

  #onUnreachable(cause: ApnsdError, { epoch }: DaemonSession): void {
    // A late failure of before the last repair, or of another host, says nothing of now.
    if (this.#outage || epoch !== this.#epoch) return;
    debug('outage: %s', cause);
    this.#outage = new Outage({
      cause,
      failures: this.#outagesSinceSuccess,
      settings: () => this.#settings,
      probe: (signal) => this.#probe(signal),
      onEnd: () => this.#onRepaired(),
    });
    this.#outagesSinceSuccess += 1;
    this.#startEpoch();
    this.#emit('healing', { cause });
  }

  #onRepaired(): void {
    if (!this.#outage) return;
    const { cause, startedAt, probes } = this.#outage;
    this.#outage = undefined;
    this.#emit('healed', {
      cause,
      durationMs: Math.round(performance.now() - startedAt),
      attempts: probes,
    });
  }

  /** Whatever was known of the daemon is out of date. */
  #startEpoch(): void {
    this.#epoch += 1;
    this.#sessionOfOthers = this.#newSession();
    for (const app of this.#apps.values()) app.reset();
  }

  /** Any answer shows that the daemon is there, but for the one that says it is leaving. */
  async #probe(signal: AbortSignal): Promise<void> {
    const { timeoutMs } = this.#settings;
    try {
      await this.#transport.call('system.listMethods', [], { timeoutMs, signal });
    } catch (error) {
      const absent = error instanceof DaemonUnavailableError || error instanceof OverloadedError;
      if (absent || signal.aborted) throw error;
    }
  }
}

function isUnknownApp(error: unknown): error is ApnsdError {
  return error instanceof UnknownAppIdError || error instanceof NotConfiguredError;
}
