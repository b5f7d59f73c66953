/** The daemon: XML-RPC in, persistent connections to Apple out. */
import { setMaxListeners } from 'node:events';
import { ProviderTokens } from '../apns/credentials/provider-token.js';
import { loadRc2 } from '../apns/credentials/rc2.js';
import { createPool } from '../apns/http2/pool.js';
import { ApnsdError, ConfigError, ProvisionError } from '../errors.js';
import { Apps, type Checked } from './apps/apps.js';
import { CredentialsWatch } from './apps/watch.js';
import { type DaemonOptions, settingsFrom } from './config/settings.js';
import { Deduplicator } from './dedup/deduplicator.js';
import { HttpServer } from './http/server.js';
import { readEntry } from './methods/methods.js';
import { callMethod } from './methods/table.js';
import { version } from './version.js';

export type { DaemonOptions } from './config/settings.js';

/** What callers and daemon prove themselves with. */
export type DaemonKeys = Pick<DaemonOptions, 'secrets' | 'tls'>;

export interface Daemon {
  /** What clients take as `host`, for example `http://127.0.0.1:7077` or `unix:/run/apnsd.sock`. */
  readonly url: string;
  /**
   * Provisions entries as in `initial`, while it runs. Those that can't be used change nothing, and apps that are not
   * among them stay.
   * @throws ProvisionError that has each entry that can't be used, once the others were taken
   */
  provision(initial: readonly unknown[]): Promise<void>;
  /**
   * Takes new secrets and a new certificate for TLS in place of the old ones: from the next call, or connection, on.
   * @throws ConfigError or CredentialsError; then the old ones stay
   */
  changeKeys(keys: DaemonKeys): void;
  /** Refuses new calls, finishes what was accepted, leaves no handle open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a daemon and resolves once it listens.
 * @throws ConfigError for a wrong option, CredentialsError for a `ca` or `tls` that is none, ProvisionError that has each entry of
 * `initial` that can't be used, and the system's error where it can't listen
 */
export async function createDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const settings = settingsFrom(options);
  await loadRc2();
  const { gateways, ca, certRoot, initial, watchMs, drainTimeoutMs, log } = settings;
  const tokens = new ProviderTokens();
  const apps = new Apps({ gateways, ca, certRoot, tokens, createSender: createPool, log });
  const stopping = new AbortController();
  // Each call under way listens to it.
  setMaxListeners(0, stopping.signal);
  const draining = new AbortController();
  const answers = new Deduplicator(settings.remember);
  const context = {
    apps,
    answers,
    version,
    startedAt: performance.now(),
    signal: stopping.signal,
    draining: draining.signal,
    log,
  };
  const front = new HttpServer({
    address: settings.address,
    keys: settings,
    limits: settings.limits,
    time: settings.feedbackTime,
    call: (method, params, rest) => callMethod(method, params, { ...context, ...rest }),
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
    draining.abort();
    const drained = front.drain();
    const timer = setTimeout(() => stopping.abort(), drainTimeoutMs);
    await drained;
    // What was answered as pending is still under way.
    await apps.close();
    clearTimeout(timer);
    // What rests until it may be sent again is asked for again, by whoever wants it.
    stopping.abort();
    await front.close();
    log('stopped');
  }

  // Checked before anything is dialled or logged: a start that fails says one thing.
  const { checked, failures } = await checkAll(apps, initial);
  if (failures.size > 0) throw new ProvisionError(failures);
  const url = await front.listen();
  log('listening', { url, version });
  if (settings.lacks.length > 0) log('insecure', { url, lacks: settings.lacks });
  for (const entry of checked) apps.take(entry);
  const watch = new CredentialsWatch({ apps, log, everyMs: watchMs });

  async function provision(initial: readonly unknown[]): Promise<void> {
    const { checked, failures } = await checkAll(apps, initial);
    for (const entry of checked) apps.take(entry);
    if (failures.size > 0) throw new ProvisionError(failures);
  }

  function changeKeys(keys: DaemonKeys): void {
    if (keys.tls && !settings.tls) {
      throw new ConfigError('tls was not given at the start, so it is not taken later');
    }
    front.change(settingsFrom({ ...options, ...keys }));
  }

  return { url, provision, changeKeys, close, [Symbol.asyncDispose]: close };
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
