/** The daemon's XML-RPC methods: pyapns's three, and our own. */
import { randomUUID } from 'node:crypto';
import { type Credentials, warningsOf } from '../apns/credentials.js';
import { Draft } from '../apns/draft.js';
import { checkEnvironment } from '../apns/gateway.js';
import { Flow } from '../apns/line.js';
import type { Verdict } from '../apns/verdict.js';
import {
  ApnsdError,
  InvalidArgumentError,
  NotConfiguredError,
  UnknownAppIdError,
} from '../errors.js';
import { checkToken } from '../notification/address.js';
import { checkNotification } from '../notification/check.js';
import { Fault, faultOf } from '../rpc/faults.js';
import type { FeedbackResult, ProvisionResult } from '../rpc/methods.js';
import type { Value } from '../rpc/xml.js';
import type { App, Apps, ProvisionOptions } from './apps.js';
import { maxEntries } from './feedback.js';
import type { CallContext, MethodContext } from './method.js';
import { asSecret, asText, asTexts, parameters, show } from './parameters.js';

/** A day; timers know nothing beyond 24 of them. */
const maxTimeoutSeconds = 86_400;

export async function provision(params: Value[], { apps }: MethodContext): Promise<null> {
  const [appId, cert, environment, timeout] = parameters(
    params,
    ['appId', 'cert', 'environment'],
    ['timeout'],
  );
  if (
    timeout !== undefined &&
    !(typeof timeout === 'number' && timeout > 0 && timeout <= maxTimeoutSeconds)
  ) {
    throw new InvalidArgumentError(
      `timeout is ${show(timeout)}, expected seconds above 0, up to ${maxTimeoutSeconds}`,
    );
  }
  await apps.provision({
    appId: asText('appId', appId),
    cert: asSecret('cert', cert),
    environment: checkEnvironment(environment),
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
  });
  return null;
}

export async function provisionEntry(params: Value[], { apps }: MethodContext): Promise<Value> {
  const [entry] = parameters(params, ['entry']);
  return outlineOf(await apps.provision(readEntry(entry)));
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
    appId: asText('appId', appId),
    environment: checkEnvironment(environment),
    ...(passphrase !== undefined && { passphrase: asText('passphrase', passphrase) }),
    ...source,
  };
}

export async function notify(params: Value[], { apps, signal }: MethodContext): Promise<null> {
  const [appId, target, what] = parameters(params, ['appId', 'tokens', 'notifications']);
  const app = appNamed(apps, asText('appId', appId));
  const tokens = Array.isArray(target) ? target : [target];
  const notifications = Array.isArray(what) ? what : [what];
  if (notifications.length !== 1 && notifications.length !== tokens.length) {
    throw new InvalidArgumentError(
      `there are ${tokens.length} tokens and ${notifications.length} notifications, expected as many of both, or one notification`,
    );
  }
  const options = { deadline: Date.now() + app.timeoutMs, signal, flow: new Flow() };
  const drafts = notifications.map((payload) =>
    orInvalid(() => new Draft(checkNotification({ payload: asTexts(payload) }))),
  );
  const verdicts = await Promise.all(
    tokens.map((token, position) => {
      const draft = drafts.length === 1 ? drafts[0] : drafts[position];
      const checked = orInvalid(() => checkToken(asText('token', token)));
      if (checked instanceof InvalidArgumentError) return checked;
      if (!draft || draft instanceof InvalidArgumentError) return draft;
      return app.send(checked, randomUUID(), draft, options);
    }),
  );
  throwFirst(verdicts);
  return null;
}

function orInvalid<T>(read: () => T): T | InvalidArgumentError {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error;
    throw error;
  }
}

/** One fault for all members that went wrong: unreadable ones before refused credentials before unanswered ones. */
function throwFirst(verdicts: (Verdict | InvalidArgumentError | undefined)[]): void {
  const positions = new Map<string, { error: ApnsdError; at: number[] }>();
  for (const [position, verdict] of verdicts.entries()) {
    const error =
      verdict instanceof ApnsdError ? verdict : verdict?.kind === 'failed' && verdict.error;
    if (!error) continue;
    const same = positions.get(error.code) ?? { error, at: [] };
    same.at.push(position);
    positions.set(error.code, same);
  }
  const order = ['INVALID_ARGUMENT', 'CREDENTIALS'];
  const found = [...order, ...positions.keys()].find((code) => positions.has(code));
  const worst = found === undefined ? undefined : positions.get(found);
  if (!worst) return;
  if (verdicts.length === 1) throw worst.error;
  const { faultCode, message } = faultOf(worst.error);
  throw new Fault(faultCode, `at position ${listed(worst.at)} (from 0): ${message}`);
}

const mostPositions = 100;

function listed(positions: number[]): string {
  const more = positions.length - mostPositions;
  return positions.slice(0, mostPositions).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

export function feedback(params: Value[], { apps, whenLost }: CallContext): Value {
  const [appId] = parameters(params, ['appId']);
  const { feedback } = appNamed(apps, asText('appId', appId));
  const dead = feedback.take();
  whenLost(() => {
    for (const { token, unregisteredAt } of dead) feedback.add(token, unregisteredAt);
  });
  return dead.map(({ token, unregisteredAt }) => [new Date(unregisteredAt), token]);
}

export function readFeedback(params: Value[], { apps }: MethodContext): Value {
  const [appId, cursor] = parameters(params, ['appId', 'cursor']);
  const read = apps.get(asText('appId', appId)).feedback.read(asText('cursor', cursor));
  return {
    cursor: read.cursor,
    entries: read.entries.map((entry) => ({ ...entry })),
  } satisfies FeedbackResult;
}

export function status(
  params: Value[],
  { apps, answers, version, startedAt }: MethodContext,
): Value {
  parameters(params, []);
  return {
    version,
    uptime: Math.floor((Date.now() - startedAt) / 1000),
    apps: apps.list().map(statusOf),
    answers: answers.counts,
  };
}

function statusOf(app: App): Value {
  return {
    appId: app.id,
    credentials: app.credentials.kind,
    ...outlineOf(app.credentials),
    changing: app.changing,
    ...(app.refusal && { refusal: { ...app.refusal } }),
    feedback: {
      waiting: app.feedback.size,
      maxWaiting: maxEntries,
      dropped: app.feedback.dropped,
    },
    counts: { ...app.counts },
  };
}

/** pyapns knows one fault for an app that is not there. */
function appNamed(apps: Apps, appId: string): App {
  try {
    return apps.get(appId);
  } catch (error) {
    if (error instanceof NotConfiguredError) throw new UnknownAppIdError(error.message);
    throw error;
  }
}
