/** A daemon that has pyapns's three methods only: `provision`, `notify` and `feedback` stand for our own. */
import { isAbsolute } from 'node:path';
import {
  ApnsUnavailableError,
  CredentialsError,
  InvalidArgumentError,
  ProtocolError,
} from '../../errors.js';
import type { Notification } from '../../notification/notification.js';
import { Fault, NO_SUCH_METHOD } from '../../rpc/faults.js';
import type { ProvisionRequest } from '../../rpc/methods.js';

/** Twisted's, which pyapns is made with. */
const twistedNoSuchMethod = 8001;

/** Whether the daemon lacks the method: then it has pyapns's only. */
export function isNoSuchMethod(error: unknown): boolean {
  if (!(error instanceof ProtocolError && error.cause instanceof Fault)) return false;
  const { faultCode } = error.cause;
  return faultCode === NO_SUCH_METHOD || faultCode === twistedNoSuchMethod;
}

/** The parameters of `provision`. @throws CredentialsError for what it can't carry */
export function provisionParams(entry: ProvisionRequest, timeoutMs: number): unknown[] {
  const { appId, cert, environment, ...others } = entry;
  const [other] = Object.keys(others);
  const readable = cert?.includes('-----BEGIN ') || isAbsolute(cert ?? '');
  if (other !== undefined || !readable) {
    const what = other ?? 'a .p12 file';
    throw new CredentialsError(
      `app '${appId}' has ${what}, expected a PEM cert alone: the daemon has only pyapns's methods`,
    );
  }
  return [appId, cert, environment, Math.max(1, Math.floor(timeoutMs / 1000))];
}

/** The parameters of `notify`. @throws InvalidArgumentError for what it can't carry */
export function notifyParams(
  appId: string,
  token: string,
  { payload: _, id: __, ...headers }: Notification,
  body: string,
): unknown[] {
  for (const [name, value] of Object.entries(headers)) {
    const plain = value === undefined || value === null;
    if (plain || (name === 'pushType' && value === 'alert')) continue;
    throw new InvalidArgumentError(
      `${name} is given, expected a payload alone: the daemon has only pyapns's methods`,
    );
  }
  return [appId, token, JSON.parse(body)];
}

/** What `feedback` answers, in the form of `apnsd.feedback`. */
export function feedbackEntries(answer: unknown): { token: string; unregisteredAt: Date }[] {
  if (!Array.isArray(answer)) throw new ProtocolError('feedback answered no list');
  return answer.map((entry: unknown) => {
    const [unregisteredAt, token] = Array.isArray(entry) ? entry : [];
    if (unregisteredAt instanceof Date && typeof token === 'string') {
      return { token, unregisteredAt };
    }
    throw new ProtocolError('feedback answered an entry that is no list of date and token');
  });
}

/**
 * While it connects to Apple, pyapns answers 500 to all but the notification that made it connect: so they come one
 * at a time until one was taken.
 */
export class FirstNotifications {
  /** The one that is on its way, by app. */
  readonly #first = new Map<string, Promise<unknown>>();
  /** The apps of which one was taken. */
  readonly #open = new Set<string>();

  async run<T>(appId: string, send: () => Promise<T>): Promise<T> {
    while (!this.#open.has(appId)) {
      const first = this.#first.get(appId);
      if (!first) return this.#goFirst(appId, send);
      await first;
    }
    try {
      return await send();
    } catch (error) {
      if (error instanceof ApnsUnavailableError) this.#open.delete(appId);
      throw error;
    }
  }

  async #goFirst<T>(appId: string, send: () => Promise<T>): Promise<T> {
    const sent = send();
    const settled = sent.then(
      () => this.#open.add(appId),
      // Whoever sent it is told; the next goes first.
      () => undefined,
    );
    this.#first.set(appId, settled);
    await settled;
    this.#first.delete(appId);
    return sent;
  }
}
