/** An entry of `initial`, and whether the daemon knows it as far as the client can tell. */
import { setTimeout as delay } from 'node:timers/promises';
import { pause } from '../../backoff.js';
import { createDebug } from '../../debug.js';
import { ApnsdError, DaemonUnavailableError } from '../../errors.js';
import type { ProvisionRequest } from '../../rpc/methods.js';
import type { Emit } from '../api/events.js';
import type { Settings } from '../config/settings.js';
import { provisionParams } from '../xmlrpc/pyapns.js';
import type { DaemonSession } from './daemon-session.js';

const debug = createDebug('apnsd:heal');

/** What an app needs of the client's healing. */
export interface AppProvisioningDeps {
  settings: () => Settings;
  closing: AbortSignal;
  emit: Emit;
  /** A provisioning found no daemon. */
  onUnreachable: (error: DaemonUnavailableError, session: DaemonSession) => void;
}

/** Whether the daemon knows the app: not, or it is being told, or since this session. */
type State =
  | { kind: 'unprovisioned' }
  | { kind: 'provisioning'; done: Promise<void> }
  | { kind: 'provisioned'; session: DaemonSession };

const UNPROVISIONED: State = { kind: 'unprovisioned' };

/** From the moment the daemon lost the app until it has it again. */
interface Repair {
  cause: ApnsdError;
  /** In milliseconds of performance.now. */
  startedAt: number;
  attempts: number;
}

export class AppProvisioning {
  #entry: ProvisionRequest;
  readonly #deps: AppProvisioningDeps;
  #state: State = UNPROVISIONED;
  /** Failures since a call last had an answer: from the second on, provisioning pauses first. */
  #failures = 0;
  /** A provisioning with an older entry that is under way: the daemon goes by what it was told last. */
  #earlier: Promise<void> | undefined;
  #repair: Repair | undefined;

  constructor(entry: ProvisionRequest, deps: AppProvisioningDeps) {
    this.#entry = entry;
    this.#deps = deps;
  }

  /** The session in which the daemon knows the app. */
  get session(): DaemonSession | undefined {
    return this.#state.kind === 'provisioned' ? this.#state.session : undefined;
  }

  get isProvisioning(): boolean {
    return this.#state.kind === 'provisioning';
  }

  /** Takes a new entry; the same again changes nothing. */
  change(entry: ProvisionRequest): void {
    if (JSON.stringify(entry) === JSON.stringify(this.#entry)) return;
    this.#entry = entry;
    // Whoever waits for the older one looks again when it ends, however it ends.
    if (this.#state.kind === 'provisioning') this.#earlier = this.#state.done;
    this.#state = UNPROVISIONED;
  }

  /** Resolves when the daemon has the app, or has lost it again: one provisioning for all that ask meanwhile. */
  async provision(session: DaemonSession): Promise<void> {
    if (this.#state.kind === 'unprovisioned') this.#state = this.#start(session);
    if (this.#state.kind === 'provisioning') await this.#state.done;
  }

  /** The daemon did not know the app in this session; another call may have had it provisioned since. */
  onForgotten(error: ApnsdError, session: DaemonSession): void {
    if (this.session !== session) return;
    debug('%s: forgotten by the daemon', this.#entry.appId);
    this.#state = UNPROVISIONED;
    this.#onFailure(error);
  }

  /** A call of this session had an answer. */
  onAnswer(session: DaemonSession): void {
    if (this.session === session) this.#failures = 0;
  }

  /** Has the app provisioned again by the next call; one that is being provisioned is left alone. */
  invalidate(): void {
    if (this.#state.kind === 'provisioned') this.#state = UNPROVISIONED;
  }

  /** Has the app provisioned again, whatever is under way: the daemon that was asked is gone. */
  reset(): void {
    this.#state = UNPROVISIONED;
    this.#earlier = undefined;
  }

  #start(session: DaemonSession): State & { kind: 'provisioning' } {
    const done = this.#provision(session).then(
      () => {
        if (this.#state !== started) return;
        this.#state = { kind: 'provisioned', session };
        this.#onRepaired();
      },
      (error) => {
        if (this.#state !== started) return;
        this.#state = UNPROVISIONED;
        if (error instanceof DaemonUnavailableError) this.#deps.onUnreachable(error, session);
        else if (error instanceof ApnsdError && error.retriable) this.#onFailure(error);
        throw error;
      },
    );
    const started = { kind: 'provisioning', done } as const;
    return started;
  }

  async #provision(session: DaemonSession): Promise<void> {
    const { settings, closing: signal } = this.#deps;
    const { timeoutMs, retry } = settings();
    const entry = this.#entry;
    await this.#earlier;
    // The first repair is immediate.
    if (this.#failures > 1) await delay(pause(retry, this.#failures - 1), undefined, { signal });
    debug('%s: provisioning', entry.appId);
    if (this.#repair) this.#repair.attempts += 1;
    const { transport } = session;
    const options = { timeoutMs, signal };
    await session.callWithFallback(
      () => transport.call('apnsd.provision', [{ ...entry }], options),
      async () => transport.call('provision', provisionParams(entry, timeoutMs), options),
    );
    debug('%s: provisioned', entry.appId);
  }

  #onFailure(cause: ApnsdError): void {
    this.#failures += 1;
    if (this.#repair) return;
    this.#repair = { cause, startedAt: performance.now(), attempts: 0 };
    this.#deps.emit('healing', { cause, appId: this.#entry.appId });
  }

  #onRepaired(): void {
    if (!this.#repair) return;
    const { cause, startedAt, attempts } = this.#repair;
    this.#repair = undefined;
    const durationMs = Math.round(performance.now() - startedAt);
    this.#deps.emit('healed', { cause, appId: this.#entry.appId, durationMs, attempts });
  }
}
