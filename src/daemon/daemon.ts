/** The daemon: XML-RPC in, persistent connections to Apple out. */
import { setMaxListeners } from 'node:events';
import { createPool } from '../apns/pool.js';
import { ProviderTokens } from '../apns/provider-token.js';
import { ApnsdError, ProvisionError } from '../errors.js';
import { Answers } from './answers.js';
import { Apps, type Checked } from './apps.js';
import { CredentialsWatch } from './credentials-watch.js';
import { Front } from './front.js';
import { callMethod, readEntry } from './methods.js';
import { type DaemonOptions, settingsFrom } from './settings.js';
import { version } from './version.js';

export type { DaemonOptions } from './settings.js';

export interface Daemon {
  /** What clients take as `host`, for example `http://127.0.0.1:7077`. */
  readonly url: string;
  /**
   * Provisions entries as in `initial`, while it runs. Those that can't be used change nothing, and apps that are not
   * among them stay.
   * @throws ProvisionError that has each entry that can't be used, once the others were taken
   */
  provision(initial: readonly unknown[]): Promise<void>;
  /** Refuses new calls, finishes what was accepted, leaves no handle open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a daemon and resolves once it listens.
 * @throws ConfigError for a wrong option, CredentialsError for a `ca` that is none, ProvisionError that has each entry of
 * `initial` that can't be used, and the system's error where it can't listen
 */
export async function createDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const settings = settingsFrom(options);
  const { host, port, gateways, ca, initial, watchMs, drainTimeoutMs, maxBodyBytes, log } =
    settings;
  const tokens = new ProviderTokens();
  const apps = new Apps({ gateways, ca, tokens, createSender: createPool, log });
  const stopping = new AbortController();
  // Each call under way listens to it.
  setMaxListeners(0, stopping.signal);
  const answers = new Answers(settings.remember);
  const context = { apps, answers, version, startedAt: Date.now(), signal: stopping.signal };
  const front = new Front({
    host,
    port,
    maxBodyBytes,
    call: (method, params) => callMethod(method, params, context),
    signal: stopping.signal,
    log,
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= stop();
    return closed;
  };

  async function stop(): Promise<void> {
    log('stopping');
    watch.close();
    const drained = front.drain();
    const timer = setTimeout(() => stopping.abort(), drainTimeoutMs);
    await drained;
    clearTimeout(timer);
    await apps.close();
    await front.close();
    log('stopped');
  }

  // Checked before anything is dialled or logged: a start that fails says one thing.
  const { checked, failures } = await checkAll(apps, initial);
  if (failures.size > 0) throw new ProvisionError(failures);
  const url = await front.listen();
  log('listening', { url, version });
  for (const entry of checked) apps.take(entry);
  const watch = new CredentialsWatch({ apps, log, everyMs: watchMs });

  async function provision(initial: readonly unknown[]): Promise<void> {
    const { checked, failures } = await checkAll(apps, initial);
    for (const entry of checked) apps.take(entry);
    if (failures.size > 0) throw new ProvisionError(failures);
  }

  return { url, provision, close, [Symbol.asyncDispose]: close };
}

async function checkAll(apps: Apps, initial: readonly unknown[]) {
  const checked: Checked[] = [];
  const failures = new Map<string, ApnsdError>();
  for (const [position, entry] of initial.entries()) {
    try {
      checked.push(await apps.check(readEntry(entry)));
    } catch (error) {
      if (!(error instanceof ApnsdError)) throw error;
      failures.set(`initial[${position}]`, error);
    }
  }
  return { checked, failures };
}
