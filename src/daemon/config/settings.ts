/** A daemon's options, checked and with everything in its place. */
import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { appleGateways, type Environment, type Gateways } from '../../apns/gateway.js';
import { createDebug } from '../../debug.js';
import { ConfigError, CredentialsError } from '../../errors.js';
import { type Log, logText } from './json-log.js';
import { checkNumber, defaultLimits, type Limits, limitsFrom, maxTimerMs } from './limits.js';
import { type Address, isLocal, parseListen } from './listen.js';
import { Secrets } from './secrets.js';

export interface DaemonOptions extends Partial<Limits> {
  /**
   * `HOST:PORT` or `unix:/path.sock`; port 0 takes a free one. What others than this machine can reach needs `tls`, and
   * `secrets` or `tls.clientCa`. @default '127.0.0.1:7077'
   */
  listen?: string;
  /** Who may connect to a unix socket. @default 0o600 */
  listenMode?: number;
  /** Speaks TLS. */
  tls?: TlsOptions;
  /** `user:secret` each, of which callers must show one; several, so that they can be changed one by one. */
  secrets?: readonly string[];
  /** Listens on any address even without TLS or secrets: for private networks. @default false */
  insecure?: boolean;
  /** A folder: the paths of files in `provision` and `apnsd.provision` must lead into it. @default any path will do */
  certRoot?: string;
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
  /** The clock of the dates that `feedback` answers, which name no zone. @default 'local', as in pyapns */
  feedbackTime?: 'local' | 'utc';
  /** How long `close()` lets calls under way finish, in milliseconds. @default 10,000 */
  drainTimeoutMs?: number;
  /** Takes each event that an operator would want to read. @default debug's `apnsd:daemon` */
  log?: Log;
}

export interface TlsOptions {
  /** The daemon's certificate, with those between it and its authority, and its key, PEM. */
  cert: string;
  key: string;
  /** Authorities, PEM: callers must show a certificate that one of them has signed. */
  clientCa?: Pems;
}

type Pems = string | readonly string[];

export interface Settings {
  address: Address;
  tls: TlsOptions | undefined;
  secrets: Secrets | undefined;
  /** What is missing for an address that others can reach. */
  lacks: readonly string[];
  certRoot: string | undefined;
  gateways: Gateways;
  ca: Readonly<Record<Environment, readonly string[]>>;
  initial: readonly unknown[];
  watchMs: number;
  remember: number;
  feedbackTime: 'local' | 'utc';
  drainTimeoutMs: number;
  limits: Limits;
  log: Log;
}

const defaults = {
  /** Loopback: whoever can reach the daemon can push. */
  listen: '127.0.0.1:7077',
  /** Soon enough for whoever replaces a file and waits; it costs one stat a file. */
  watchMs: 10_000,
  /** Some 15 MB; a repeat comes within seconds. */
  remember: 50_000,
  feedbackTime: 'local' as const,
  drainTimeoutMs: 10_000,
};

const knownOptions = [
  'listen',
  'listenMode',
  'tls',
  'secrets',
  'insecure',
  'certRoot',
  'gateways',
  'ca',
  'initial',
  'watchMs',
  'remember',
  'feedbackTime',
  'drainTimeoutMs',
  ...(Object.keys(defaultLimits) as (keyof Limits)[]),
  'log',
] as const satisfies (keyof DaemonOptions)[];

/** @throws ConfigError for a wrong option, CredentialsError for certificates and keys that are none */
export function settingsFrom(options: DaemonOptions): Settings {
  for (const name of Object.keys(options)) {
    if (knownOptions.some((known) => known === name)) continue;
    throw new ConfigError(`${name} is no option, expected ${knownOptions.join(', ')}`);
  }
  const {
    listen = defaults.listen,
    watchMs = defaults.watchMs,
    remember = defaults.remember,
    drainTimeoutMs = defaults.drainTimeoutMs,
  } = options;
  const address = parseListen(listen, options.listenMode);
  const tls = options.tls && checkTls(options.tls, address);
  const secrets = options.secrets && new Secrets(options.secrets);
  const lacks = isLocal(address) ? [] : missing(tls, secrets);
  if (lacks.length > 0 && !options.insecure) {
    throw new ConfigError(
      `listen is ${JSON.stringify(listen)}, which others can reach: expected ${lacks.join(', and ')}, ` +
        'since whoever can reach the daemon can push; insecure goes without, on a private network',
    );
  }
  const debug = createDebug('apnsd:daemon');
  return Object.freeze({
    address,
    tls,
    secrets,
    lacks,
    certRoot: checkFolder(options.certRoot),
    gateways: { ...appleGateways, ...checkGateways(options.gateways ?? {}) },
    ca: checkCa(options.ca ?? {}),
    initial: options.initial ?? [],
    watchMs: checkNumber('watchMs', watchMs, 1, maxTimerMs),
    remember: checkNumber('remember', remember, 0, 10_000_000),
    feedbackTime: checkTime(options.feedbackTime ?? defaults.feedbackTime),
    drainTimeoutMs: checkNumber('drainTimeoutMs', drainTimeoutMs, 0, maxTimerMs),
    limits: limitsFrom(options),
    log: options.log ?? ((event, fields = {}) => debug('%s %s', event, logText(fields))),
  });
}

function checkTime(time: unknown): 'local' | 'utc' {
  if (time === 'local' || time === 'utc') return time;
  throw new ConfigError(`feedbackTime is ${JSON.stringify(time)}, expected local or utc`);
}

function missing(tls: TlsOptions | undefined, secrets: Secrets | undefined): string[] {
  return [
    ...(tls ? [] : ['tls']),
    ...(secrets || tls?.clientCa !== undefined ? [] : ['secrets or tls.clientCa']),
  ];
}

function checkTls(tls: TlsOptions, address: Address): TlsOptions {
  if ('path' in address) throw new ConfigError('tls is for HOST:PORT, but listen is a unix socket');
  for (const name of ['cert', 'key'] as const) {
    if (tls[name] === undefined) throw new ConfigError(`tls.${name} is missing`);
  }
  const { cert, key, clientCa } = tls;
  if (clientCa !== undefined) checkPems('tls.clientCa', [clientCa].flat());
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CredentialsError(`tls.cert and tls.key can't be used: ${code}`, { cause });
  }
  return tls;
}

function checkFolder(certRoot: string | undefined): string | undefined {
  if (certRoot === undefined || statSync(certRoot, { throwIfNoEntry: false })?.isDirectory()) {
    return certRoot;
  }
  throw new ConfigError(`certRoot is ${JSON.stringify(certRoot)}, expected a folder`);
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
  return {
    sandbox: checkPems('ca', [sandbox].flat()),
    production: checkPems('ca', [production].flat()),
  };
}

/** Array.isArray does not tell a readonly list. */
function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

/** Node takes any text for an authority, and then trusts nobody more. */
function checkPems(name: string, pems: readonly string[]): readonly string[] {
  for (const pem of pems) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new CredentialsError(`${name} holds no CERTIFICATE, expected PEM text`, { cause });
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
