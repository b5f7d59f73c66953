/** The daemon's XML-RPC methods but for those that send. */
import { type Credentials, warningsOf } from '../../apns/credentials/credentials.js';
import { checkEnvironment } from '../../apns/gateway.js';
import { InvalidArgumentError } from '../../errors.js';
import type { FeedbackResult, ProvisionResult } from '../../rpc/methods.js';
import { Listing, type Value, type Writable } from '../../rpc/xml.js';
import { type App, type ProvisionOptions, troubleOf } from '../apps/apps.js';
import { type DeadTokens, maxEntries } from '../apps/feedback.js';
import type { CallContext, MethodContext } from './method.js';
import { asAppId, asSecret, asText, parameters, show } from './parameters.js';

/** A day; timers know nothing beyond 24 of them. */
const maxTimeoutSeconds = 86_400;

export async function provision(params: Value[], context: CallContext): Promise<null> {
  const [appId, cert, environment, timeout] = parameters(
    params,
    ['appId', 'cert', 'environment'],
    ['timeout'],
  );
  const timeoutMs = readTimeout(timeout);
  const options = {
    appId: asAppId(appId),
    cert: asSecret('cert', cert),
    environment: checkEnvironment(environment),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
  await context.apps.provision(options, whileWanted(context));
  return null;
}

/** Seconds, also as digits, as who reads them from a file has them; nil is the default. */
function readTimeout(timeout: Value | undefined): number | undefined {
  if (timeout === undefined || timeout === null) return undefined;
  const isText = typeof timeout === 'string' && /^\d+(\.\d+)?$/.test(timeout);
  const seconds = isText ? Number(timeout) : timeout;
  if (typeof seconds === 'number' && seconds > 0 && seconds <= maxTimeoutSeconds) {
    return seconds * 1000;
  }
  throw new InvalidArgumentError(
    `timeout is ${show(timeout)}, expected seconds above 0, up to ${maxTimeoutSeconds}`,
  );
}

export async function provisionEntry(params: Value[], context: CallContext): Promise<Value> {
  const [entry] = parameters(params, ['entry']);
  return outlineOf(await context.apps.provision(readEntry(entry), whileWanted(context)));
}

/** Until the caller is gone or the daemon leaves: what is provisioned then is of no use. */
function whileWanted({ draining, callerSignal }: CallContext): AbortSignal {
  return AbortSignal.any([draining, callerSignal()]);
}

/** What may be told of credentials. */
function outlineOf(credentials: Credentials) {
  const { topic, environment } = credentials;
  return {
    topic,
    environment,
    warnings: warningsOf(credentials),
    ...(credentials.kind === 'certificate' && { expiresAt: credentials.expiresAt.getTime() }),
  } satisfies ProvisionResult;
}

const secretFields = ['cert', 'key', 'passphrase'] as const;
const entryFields = ['appId', 'environment', ...secretFields, 'keyId', 'teamId', 'topic'] as const;

/**
 * An entry of `initial`, from a call or from a config file.
 * @throws InvalidArgumentError or InvalidEnvironmentError
 */
export function readEntry(entry: unknown): ProvisionOptions {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw new InvalidArgumentError(`entry is ${show(entry)}, expected ${entryFields.join(', ')}`);
  }
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(entry)) {
    if (!entryFields.some((known) => known === name)) {
      throw new InvalidArgumentError(
        `${show(name)} is no field, expected ${entryFields.join(', ')}`,
      );
    }
    const isSecret = secretFields.some((secret) => secret === name);
    read[name] = isSecret ? asSecret(name, value) : asText(name, value);
  }
  const { appId, environment, passphrase, ...source } = read;
  return {
    appId: asAppId(appId),
    environment: checkEnvironment(environment),
    ...(passphrase !== undefined && { passphrase: asText('passphrase', passphrase) }),
    ...source,
  };
}

export function feedback(params: Value[], { apps, whenLost }: CallContext): Listing {
  const [appId] = parameters(params, ['appId']);
  const { feedback } = apps.named(asText('appId', appId));
  const dead = feedback.take();
  whenLost(() => {
    for (const { token, unregisteredAt } of dead) feedback.add(token, unregisteredAt);
  });
  return new Listing(datesAndTokens(dead), dead.size);
}

function* datesAndTokens(dead: DeadTokens): Generator<Value> {
  for (const { token, unregisteredAt } of dead) yield [new Date(unregisteredAt), token];
}

export function readFeedback(params: Value[], { apps }: MethodContext): Writable {
  const [appId, cursor] = parameters(params, ['appId', 'cursor']);
  const read = apps.get(asText('appId', appId)).feedback.read(asText('cursor', cursor));
  return {
    cursor: read.cursor,
    entries: new Listing(read.entries, read.entries.size),
  } satisfies Record<keyof FeedbackResult, Writable>;
}

export function status(
  params: Value[],
  { apps, answers, version, startedAt }: MethodContext,
): Value {
  parameters(params, []);
  return {
    version,
    uptime: Math.floor((performance.now() - startedAt) / 1000),
    apps: apps.list().map(statusOf),
    answers: answers.counts,
  };
}

function statusOf(app: App): Value {
  return {
    appId: app.id,
    credentials: app.credentials.kind,
    ...outlineOf(app.credentials),
    ...changeOf(app),
    ...(app.refusal && { refusal: { ...app.refusal } }),
    ...(app.trouble && { trouble: { ...app.trouble } }),
    feedback: {
      waiting: app.feedback.size,
      maxWaiting: maxEntries,
      dropped: app.feedback.dropped,
    },
    counts: { ...app.counts },
  };
}

/** Credentials that are to take the place of those that serve, and why they have not yet. */
function changeOf({ change }: App) {
  if (change.kind === 'steady') return { changing: false };
  const { credentials, sender } = change.next;
  const { warnings, expiresAt } = outlineOf(credentials);
  return {
    changing: true,
    change: {
      state: change.kind,
      credentials: credentials.kind,
      warnings,
      ...(expiresAt !== undefined && { expiresAt }),
      ...(change.kind === 'dialling' && troubleOf(sender)),
      ...(change.kind === 'set aside' && {
        reason: change.reason,
        since: change.since,
        retryAt: Math.round(Date.now() + change.retryAt - performance.now()),
      }),
    },
  };
}
