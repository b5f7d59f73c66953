/** Looks after credentials as time goes by: takes files whose contents changed, and warns of certificates that end. */
import { stat } from 'node:fs/promises';
import { endsSoon } from '../../apns/credentials/credentials.js';
import { OverloadedError } from '../../errors.js';
import type { Log } from '../config/json-log.js';
import type { App, Apps, Checked } from './apps.js';

export interface WatchOptions {
  apps: Apps;
  log: Log;
  /** How often it looks, in milliseconds. */
  everyMs: number;
  /** UNIX milliseconds. */
  now?: () => number;
}

const day = 24 * 60 * 60 * 1000;

export class CredentialsWatch {
  readonly #options: Required<WatchOptions>;
  readonly #timer: NodeJS.Timeout;
  /** What was read last, good or bad. */
  readonly #seen = new WeakMap<App, { taken: Checked; version: string; refusal?: string }>();
  readonly #warnedAt = new WeakMap<App, number>();
  #looking = false;

  constructor(options: WatchOptions) {
    this.#options = { now: Date.now, ...options };
    this.#timer = setInterval(() => void this.#look(), options.everyMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    // A disk that hangs must not be asked again and again.
    if (this.#looking) return;
    this.#looking = true;
    for (const app of this.#options.apps.list()) {
      this.#warn(app);
      await this.#readAgain(app);
    }
    this.#looking = false;
  }

  #warn(app: App): void {
    const { log, now } = this.#options;
    const at = now();
    const end = endsSoon(app.credentials, at);
    if (!end || at - (this.#warnedAt.get(app) ?? 0) < day) return;
    this.#warnedAt.set(app, at);
    const daysLeft = Math.floor((end.getTime() - at) / day);
    log('certificate ends', { app: app.id, expiresAt: end.toISOString(), daysLeft });
  }

  async #readAgain(app: App): Promise<void> {
    const { apps, log } = this.#options;
    const { taken } = app;
    if (taken.path === undefined) return;
    // Before the file is read: a change in between is then seen the next time.
    const version = await versionOf(taken.path);
    const seen = this.#seen.get(app);
    if (seen?.taken === taken && seen.version === version) return;
    try {
      const again = await apps.check(taken.options, taken.arrival);
      if (app.taken !== taken) return;
      // The same contents are no reason to try again what Apple has refused.
      const changed = again.credentials.fingerprint !== taken.credentials.fingerprint;
      if (changed) apps.take(again);
      this.#seen.set(app, { taken: changed ? again : taken, version });
    } catch (error) {
      // Read at the next look.
      if (error instanceof OverloadedError) return;
      const refusal = (error as Error).message;
      this.#seen.set(app, { taken, version, refusal });
      // Once, not with each touch of the file.
      if (refusal !== seen?.refusal) log('file refused', { app: app.id, reason: refusal });
    }
  }
}

/** Another one for other contents: after a write, a rename, or a symbolic link that leads elsewhere. */
async function versionOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    // Told by whoever reads the file.
    return String((error as NodeJS.ErrnoException).code);
  }
}
