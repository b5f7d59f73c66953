/** The settings that the client works with, made from the options in one place. */
import { isAbsolute } from 'node:path';
import { ConfigError } from '../../errors.js';
import type { ProvisionRequest } from '../../rpc/methods.js';
import { boolean, checkNames, number, object, show } from '../../validation.js';
import { eventNames, type Listeners } from '../api/events.js';
import type { Options, RetryOptions, TlsOptions } from '../api/options.js';
import { readInitial } from './apps.js';

/** The options with everything in its place; frozen. */
export interface Settings {
  host: Host;
  /** By app id, as the daemon takes them. */
  initial: ReadonlyMap<string, ProvisionRequest>;
  defaultAppId: string | undefined;
  timeoutMs: number;
  deadlineMs: number;
  retry: Readonly<Required<RetryOptions>>;
  maxPending: number;
  collapseRepeats: boolean;
  maxAnswerBytes: number;
  on: Listeners;
}

/** What node:http and node:https take to reach the daemon. */
export interface Host {
  secure: boolean;
  /** Without the secret: for logs and errors. */
  shown: string;
  connect: { host: string; port: number } | { socketPath: string };
  path: string;
  authorization: string | undefined;
  tls: TlsOptions;
}

const defaults = {
  host: 'http://127.0.0.1:7077/',
  /** pyapns's own timeout. */
  timeoutMs: 15_000,
  /** Long enough for a daemon to be started again by hand. */
  deadlineMs: 60_000,
  /** The first repair is immediate; two seconds is how late a restarted daemon may be noticed. */
  firstDelayMs: 100,
  factor: 2,
  maxDelayMs: 2000,
  /** Some 200 MB of calls that wait. */
  maxPending: 100_000,
  /** Twice what the daemon answers for the 100,000 dead tokens that it keeps of an app. */
  maxAnswerBytes: 64 * 1024 * 1024,
};

const knownOptions = [
  'host',
  'initial',
  'defaultAppId',
  'timeoutMs',
  'deadlineMs',
  'retry',
  'maxPending',
  'collapseRepeats',
  'maxAnswerBytes',
  'tls',
  'on',
] as const satisfies (keyof Options)[];

/** @throws ConfigError that names each wrong option */
export function settingsFrom(options: Options): Settings {
  if (typeof options !== 'object' || options === null) {
    throw new ConfigError(`options are ${show(options)}, expected an object`);
  }
  const wrong: string[] = [];
  checkNames('', options, knownOptions, wrong);
  const tls: TlsOptions = object('tls', options.tls ?? {}, ['ca', 'cert', 'key'], wrong) ?? {};
  const spacing = ['firstDelayMs', 'factor', 'maxDelayMs'];
  const retry = object('retry', options.retry ?? {}, spacing, wrong) ?? {};
  const initial = readInitial(options.initial ?? [], wrong);
  const settings: Settings = {
    host: readHost(options.host ?? defaults.host, tls, wrong),
    initial,
    defaultAppId: readDefaultAppId(options.defaultAppId, initial, wrong),
    timeoutMs: number('timeoutMs', options.timeoutMs, defaults.timeoutMs, wrong),
    deadlineMs: number('deadlineMs', options.deadlineMs, defaults.deadlineMs, wrong),
    retry: Object.freeze({
      firstDelayMs: number('retry.firstDelayMs', retry.firstDelayMs, defaults.firstDelayMs, wrong),
      factor: number('retry.factor', retry.factor, defaults.factor, wrong),
      maxDelayMs: number('retry.maxDelayMs', retry.maxDelayMs, defaults.maxDelayMs, wrong),
    }),
    maxPending: number('maxPending', options.maxPending, defaults.maxPending, wrong),
    collapseRepeats: boolean('collapseRepeats', options.collapseRepeats, true, wrong),
    maxAnswerBytes: number(
      'maxAnswerBytes',
      options.maxAnswerBytes,
      defaults.maxAnswerBytes,
      wrong,
    ),
    on: readListeners(options.on ?? {}, wrong),
  };
  if (wrong.length > 0) throw new ConfigError(wrong.join('; '));
  return Object.freeze(settings);
}

function readHost(host: unknown, tls: TlsOptions, wrong: string[]): Host {
  const nowhere = { secure: false, connect: { socketPath: '' }, path: '/', tls };
  if (isList(host)) {
    wrong.push('host is a list, expected one URL: a list of daemons is not supported');
    return { ...nowhere, shown: '', authorization: undefined };
  }
  if (typeof host === 'string' && host.startsWith('unix:')) {
    const socketPath = host.slice('unix:'.length);
    if (!isAbsolute(socketPath)) wrong.push(`host is ${show(host)}, expected unix:/path.sock`);
    return { ...nowhere, shown: host, connect: { socketPath }, authorization: undefined };
  }
  try {
    const url = new URL(String(host));
    const secure = url.protocol === 'https:';
    if (!secure && url.protocol !== 'http:') throw new Error('another protocol');
    const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return {
      secure,
      shown: `${url.protocol}//${url.host}`,
      connect: {
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(url.port) || (secure ? 443 : 80),
      },
      path: url.pathname + url.search,
      authorization: secret === ':' ? undefined : `Basic ${Buffer.from(secret).toString('base64')}`,
      tls,
    };
  } catch {
    // Not shown, nor is the parser's reason: it may hold a secret.
    wrong.push('host is no http://, https:// or unix: address of a daemon');
    return { ...nowhere, shown: '', authorization: undefined };
  }
}

/** As an array, or as text with commas; a secret may hold one, and so may the path of a socket. */
function isList(host: unknown): boolean {
  if (typeof host !== 'string') return Array.isArray(host);
  if (host.startsWith('unix:')) return /,\s*(?:unix|https?):/.test(host);
  return host.replace(/^[^/]*\/\/[^/]*@/, '').includes(',');
}

function readListeners(on: unknown, wrong: string[]): Listeners {
  const listeners = object('on', on, eventNames, wrong) ?? {};
  for (const [name, listener] of Object.entries(listeners)) {
    if (listener === undefined || typeof listener === 'function') continue;
    wrong.push(`on.${name} is ${show(listener)}, expected a function`);
  }
  return { ...listeners };
}

function readDefaultAppId(
  appId: unknown,
  initial: ReadonlyMap<string, unknown>,
  wrong: string[],
): string | undefined {
  if (appId === undefined) return initial.size === 1 ? [...initial.keys()][0] : undefined;
  if (typeof appId !== 'string' || appId === '') {
    wrong.push(`defaultAppId is ${show(appId)}, expected the name of an app`);
    return undefined;
  }
  if (initial.size > 0 && !initial.has(appId)) {
    wrong.push(`defaultAppId is ${show(appId)}, expected one of ${[...initial.keys()].join(', ')}`);
  }
  return appId;
}
