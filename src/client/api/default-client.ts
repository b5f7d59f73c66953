/**
 * The client behind the module's own functions: one for a process, configured once at start-up. It is kept beside the
 * module: ESM and CommonJS have a copy each, and frameworks load one for each of their bundles, and again when files change.
 */
import { ConfigError } from '../../errors.js';
import type { Notification } from '../../notification/notification.js';
import type { DeadToken } from '../feedback.js';
import type { AnyIterable, Outcome } from '../notify-many.js';
import { type CallOptions, type Client, createClient } from './client.js';
import type { Options } from './options.js';
import type { Receipt } from './receipt.js';

interface Kept {
  client?: Client;
}

/** By the version whose clients can stand for each other. */
const key = Symbol.for('apnsd.client.v0');

function kept(): Kept {
  const all = globalThis as { [key]?: Kept };
  all[key] ??= {};
  return all[key];
}

/**
 * Configures the process's client, and gives it. Does no I/O. Called again, the same client takes the new options.
 * @throws ConfigError that names each wrong option
 */
export function configure(options: Options): Client {
  const all = kept();
  const { client } = all;
  all.client = client && !client.closed ? client.configure(options) : createClient(options);
  return all.client;
}

/** See {@link Client.notify}. @throws ConfigError before `configure` */
export function notify(
  token: string,
  message: string,
  badge?: number | null,
  sound?: string | null,
  options?: CallOptions,
): Promise<Receipt>;
export function notify(
  token: string,
  notification: Notification,
  options?: CallOptions,
): Promise<Receipt>;
export async function notify(
  token: string,
  content: string | Notification,
  ...rest: unknown[]
): Promise<Receipt> {
  // Checked by the method: an implementation can't be told which overload it was called by.
  return configured().notify(...([token, content, ...rest] as Parameters<Client['notify']>));
}

/** See {@link Client.notifyMany}. @throws ConfigError before `configure` */
export function notifyMany(
  items: AnyIterable<Notification & { token: string }>,
  options?: CallOptions,
): AsyncIterable<Outcome>;
export function notifyMany(
  tokens: AnyIterable<string>,
  notification: Notification,
  options?: CallOptions,
): AsyncIterable<Outcome>;
export function notifyMany(source: unknown, ...rest: unknown[]): AsyncIterable<Outcome> {
  return configured().notifyMany(...([source, ...rest] as Parameters<Client['notifyMany']>));
}

/** See {@link Client.feedback}. @throws ConfigError before `configure` */
export async function feedback(appId?: string, options?: CallOptions): Promise<DeadToken[]> {
  return configured().feedback(appId, options);
}

function configured(): Client {
  const { client } = kept();
  if (client) return client;
  throw new ConfigError('the client is not configured, expected configure() at start-up');
}
