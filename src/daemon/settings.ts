/** A daemon's options, checked and with everything in its place. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import createDebug from 'debug';
import { appleGateways, type Environment, type Gateways } from '../apns/gateway.js';
import { ConfigError, CredentialsError } from '../errors.js';
import type { Log } from './log.js';

export interface DaemonOptions {
  /** `HOST:PORT`, a loopback address; port 0 takes a free one. @default '127.0.0.1:7077' */
  listen?: string;
  /** Where Apple, or a simulator, is: `https://host:port` by environment. @default Apple's own */
  gateways?: Partial<Record<Environment, string>>;
  /** Certificate authorities, PEM, beside those that Node brings: for both environments, or for each. */
  ca?: Pems | Partial<Record<Environment, Pems>>;
  /** Apps to provision at start, as in the client's `initial`. */
  initial?: readonly unknown[];
  /** How often the files of credentials are looked at, to take changed ones, in milliseconds. @default 10,000 */
  watchMs?: number;
  /** Apple's final answers that are kept, so that a repeat gets the same and is not sent again. @default 50,000 */
  remember?: number;
  /** How long `close()` lets calls under way finish, in milliseconds. @default 10,000 */
  drainTimeoutMs?: number;
  /** The largest request body, in bytes. @default 16 MiB */
  maxBodyBytes?: number;
  /** Takes each event that an operator would want to read. @default debug's `apnsd:daemon` */
  log?: Log;
}

type Pems = string | readonly string[];

export interface Settings {
  host: string;
  port: number;
  gateways: Gateways;
  ca: Readonly<Record<Environment, readonly string[]>>;
  initial: readonly unknown[];
  watchMs: number;
  remember: number;
  drainTimeoutMs: number;
  maxBodyBytes: number;
  log: Log;
}

const defaults = {
  /** Loopback: whoever can reach the daemon can push. */
  listen: '127.0.0.1:7077',
  /** Soon enough for whoever replaces a file and waits; it costs one stat a file. */
  watchMs: 10_000,
  /** Some 15 MB; a repeat comes within seconds. */
  remember: 50_000,
  drainTimeoutMs: 10_000,
  /** A list of 1,000 of the largest payloads, escaped, and some air. */
  maxBodyBytes: 16 << 20,
};

const knownOptions = [
  'listen',
  'gateways',
  'ca',
  'initial',
  'watchMs',
  'remember',
  'drainTimeoutMs',
  'maxBodyBytes',
  'log',
] as const satisfies (keyof DaemonOptions)[];

/** @throws ConfigError for a wrong option, CredentialsError for a `ca` that is none */
export function settingsFrom(options: DaemonOptions): Settings {
  for (const name of Object.keys(options)) {
    if (knownOptions.some((known) => known === name)) continue;
    throw new ConfigError(`${name} is no option, expected ${knownOptions.join(', ')}`);
  }
  const {
    watchMs = defaults.watchMs,
    remember = defaults.remember,
    drainTimeoutMs = defaults.drainTimeoutMs,
    maxBodyBytes = defaults.maxBodyBytes,
  } = options;
  const debug = createDebug('apnsd:daemon');
  return Object.freeze({
    ...parseListen(options.listen ?? defaults.listen),
    gateways: { ...appleGateways, ...checkGateways(options.gateways ?? {}) },
    ca: checkCa(options.ca ?? {}),
    initial: options.initial ?? [],
    watchMs: checkNumber('watchMs', watchMs, 1, 86_400_000),
    remember: checkNumber('remember', remember, 0, 10_000_000),
    // A day: timers know nothing beyond 24 of them.
    drainTimeoutMs: checkNumber('drainTimeoutMs', drainTimeoutMs, 0, 86_400_000),
    // A body becomes one string, which Node bounds at 512 MiB.
    maxBodyBytes: checkNumber('maxBodyBytes', maxBodyBytes, 1, 1 << 28),
    log: options.log ?? ((event, fields) => debug('%s %o', event, fields)),
  });
}

function parseListen(listen: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new ConfigError(`listen is ${JSON.stringify(listen)}, expected HOST:PORT`);
  }
  const loopback =
    host === 'localhost' || host === '::1' || (isIP(host) === 4 && /^127\./.test(host));
  if (!loopback) {
    throw new ConfigError(
      `listen is ${JSON.stringify(listen)}, expected a loopback address such as 127.0.0.1: whoever can reach the daemon can push`,
    );
  }
  return { host, port };
}

function checkGateways(gateways: Partial<Record<Environment, string>>): typeof gateways {
  checkEnvironments('gateways', gateways);
  for (const [environment, gateway] of Object.entries(gateways)) {
    const url = URL.canParse(gateway) ? new URL(gateway) : undefined;
    if (url?.protocol !== 'https:' || url.pathname !== '/' || url.search || url.username) {
      throw new ConfigError(
        `gateways.${environment} is ${JSON.stringify(gateway)}, expected https://host:port`,
      );
    }
  }
  return gateways;
}

function checkCa(ca: NonNullable<DaemonOptions['ca']>): Settings['ca'] {
  const each = typeof ca === 'string' || isList(ca) ? { sandbox: ca, production: ca } : ca;
  checkEnvironments('ca', each);
  const { sandbox = [], production = [] } = each;
  return { sandbox: checkPems([sandbox].flat()), production: checkPems([production].flat()) };
}

/** Array.isArray does not tell a readonly list. */
function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

/** Node takes any text for an authority, and then trusts nobody more. */
function checkPems(pems: readonly string[]): readonly string[] {
  for (const pem of pems) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new CredentialsError('ca holds no CERTIFICATE, expected PEM text', { cause });
    }
  }
  return pems;
}

function checkEnvironments(name: string, byEnvironment: object): void {
  for (const environment of Object.keys(byEnvironment)) {
    if (environment === 'sandbox' || environment === 'production') continue;
    throw new ConfigError(
      `${name} has ${JSON.stringify(environment)}, expected sandbox or production`,
    );
  }
}

function checkNumber(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new ConfigError(`${name} is ${value}, expected a number from ${least} to ${most}`);
}
