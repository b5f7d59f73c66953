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
  /** Told when a provisioning found no daemon. */
  onUnreachable: (error: DaemonUnavailableError, footing: DaemonSession) => void;
}

/** Pending without a footing, settled with one. */
interface Provisioning {
  done: Promise<void>;
  footing?: DaemonSession;
}

export class AppProvisioning {
  #entry: ProvisionRequest;
  readonly #deps: AppProvisioningDeps;
  /** Absent: must be provisioned. */
  #configured: Provisioning | undefined;
  /** Since a call last had an answer: from the second on, provisioning waits first. */
  #failures = 0;
  /** A provisioning with other contents that is under way: the daemon goes by what it was told last. */
  #earlier: Promise<void> | undefined;
  /** Absent where the daemon did not lose it since it was provisioned. */
  #healing: { cause: ApnsdError; startedAt: number; attempts: number } | undefined;

  constructor(entry: ProvisionRequest, around: AppProvisioningDeps) {
    this.#entry = entry;
    this.#deps = around;
  }

  get session(): DaemonSession | undefined {
    return this.#configured?.footing;
  }

  /** It is being provisioned. */
  get pending(): boolean {
    return this.#configured !== undefined && !this.session;
  }

  /** Takes new contents; the same again changes nothing. */
  change(entry: ProvisionRequest): void {
    if (JSON.stringify(entry) === JSON.stringify(this.#entry)) return;
    this.#entry = entry;
    // Who waits for it looks again when it ends, however it ends.
    if (this.pending) this.#earlier = this.#configured?.done;
    this.#configured = undefined;
  }

  /** Resolves when the daemon has it, or has lost it again: one provisioning for all that ask meanwhile. */
  provision(footing: DaemonSession): Promise<void> {
    this.#configured ??= this.#start(footing);
    return this.#configured.done;
  }

  /** The daemon said so to an attempt on this footing; another call may have had it provisioned since. */
  onForgotten(error: ApnsdError, footing: DaemonSession): void {
    if (this.session !== footing) return;
    debug('%s: forgotten by the daemon', this.#entry.appId);
    this.#configured = undefined;
    this.#failed(error);
  }

  /** An attempt on this footing had an answer. */
  onAnswer(footing: DaemonSession): void {
    if (this.session === footing) this.#failures = 0;
  }

  /** Has it provisioned again, but for a provisioning that is under way. */
  invalidate(): void {
    if (this.session) this.#configured = undefined;
  }

  /** Has it provisioned again, whatever is under way: the daemon that was asked is gone. */
  reset(): void {
    this.#configured = undefined;
    this.#earlier = undefined;
  }

  #start(footing: DaemonSession): Provisioning {
    const provisioning: Provisioning = {
      done: this.#provision(footing).then(
        () => {
          if (this.#configured !== provisioning) return;
          provisioning.footing = footing;
          this.#healed();
        },
        (error) => {
          if (this.#configured !== provisioning) return;
          this.#configured = undefined;
          if (error instanceof DaemonUnavailableError) this.#deps.onUnreachable(error, footing);
          else if (error instanceof ApnsdError && error.retriable) this.#failed(error);
          throw error;
        },
      ),
    };
    return provisioning;
  }

  async #provision(footing: DaemonSession): Promise<void> {
    const { settings, closing: signal } = this.#deps;
    const { timeoutMs, retry } = settings();
    const entry = this.#entry;
    await this.#earlier;
    // The first repair is immediate.
    if (this.#failures > 1) await delay(pause(retry, this.#failures - 1), undefined, { signal });
    debug('%s: provisioning', entry.appId);
    if (this.#healing) this.#healing.attempts += 1;
    const { transport } = footing;
    const limits = { timeoutMs, signal };
    await footing.callWithFallback(
      () => transport.call('apnsd.provision', [{ ...entry }], limits),
      async () => transport.call('provision', provisionParams(entry, timeoutMs), limits),
    );
    debug('%s: provisioned', entry.appId);
  }

  #failed(cause: ApnsdError): void {
    this.#failures += 1;
    if (this.#healing) return;
    this.#healing = { cause, startedAt: performance.now(), attempts: 0 };
    this.#deps.emit('healing', { cause, appId: this.#entry.appId });
  }

  #healed(): void {
    if (!this.#healing) return;
    const { cause, startedAt, attempts } = this.#healing;
    this.#healing = undefined;
    const durationMs = Math.round(performance.now() - startedAt);
    this.#deps.emit('healed', { cause, appId: this.#entry.appId, durationMs, attempts });
  }
}
