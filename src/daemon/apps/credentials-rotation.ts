/** Which credentials carry an app's notifications: the ones that work, until Apple has shown that it takes the new ones. */
import { type Credentials, warningsOf } from '../../apns/credentials/credentials.js';
import type { Route } from '../../apns/retry.js';
import type { FailedVerdict, Verdict } from '../../apns/verdict.js';
import { ApnsUnavailableError, CredentialsError } from '../../errors.js';
import type { Log } from '../config/json-log.js';

/** Credentials with the connections that prove them. */
export interface ActiveConnection extends Route {
  credentials: Credentials;
  refusal: Refusal | undefined;
}

/** Apple's no to credentials. */
export interface Refusal {
  reason: string;
  /** UNIX milliseconds of the first one in a row. */
  since: number;
}

export type RotationState = Steady | Dialling | OnTrial | SetAside;

/** Nothing else is wanted. */
interface Steady {
  kind: 'steady';
  serving: ActiveConnection;
}

/** New credentials are wanted; the old ones, of the same topic and environment, serve meanwhile. */
interface Changing {
  serving: ActiveConnection;
  next: ActiveConnection;
  /** Trials in a row that failed. */
  failures: number;
}

/** Apple has not taken a connection with the new ones yet. */
interface Dialling extends Changing {
  kind: 'dialling';
}

/** Apple has taken the connection, which proves nothing about a token, and not all about a certificate. */
interface OnTrial extends Changing {
  kind: 'on trial';
  /** The one notification that tries the new ones, if any does. */
  trying: object | undefined;
}

/** The last trial failed. */
interface SetAside extends Changing {
  kind: 'set aside';
  reason: string;
  /** UNIX milliseconds. */
  since: number;
  /** In milliseconds of performance.now; the first notification after that tries them again. */
  retryAt: number;
}

export interface RotationOptions {
  /** Makes the connections, and dials at the first need. */
  connect: (credentials: Credentials) => Route;
  log: Log;
  closing: AbortSignal;
}

/** How long credentials whose trial failed are left alone: in the end they cost a refused request in ten minutes. */
const trialBackoff = { firstMs: 1000, factor: 2, maxMs: 10 * 60_000 };
/** New credentials that have no connection for so long are worth a line in the log; they are dialled on and on. */
const patienceMs = 30_000;

export class CredentialsRotation {
  #state: RotationState;
  readonly #options: RotationOptions;
  /** Connections that only finish what they have begun. */
  readonly #retiring = new Set<Promise<void>>();

  constructor(first: Credentials, options: RotationOptions) {
    this.#options = options;
    const serving = this.#connect(first);
    this.#state = { kind: 'steady', serving };
    this.#dial(serving);
  }

  get state(): RotationState {
    return this.#state;
  }

  /** What carries all but the notification that is on trial. */
  get serving(): ActiveConnection {
    return this.#state.serving;
  }

  /** Apple's last refusal, of those that serve or of those that are to follow. */
  get refusal(): Refusal | undefined {
    const [serving, next] = servingsOf(this.#state);
    return serving.refusal ?? next?.refusal;
  }

  /** The same again changes nothing, but gives credentials that were set aside another trial. */
  change(credentials: Credentials): void {
    const state = this.#state;
    const [serving, wanted = serving] = servingsOf(state);
    const isAgain = (one: ActiveConnection) =>
      one.credentials.fingerprint === credentials.fingerprint;
    if (isAgain(wanted)) {
      wanted.credentials = credentials;
      if (state.kind === 'set aside') this.#tryAgain(state);
    } else if (isAgain(serving)) {
      serving.credentials = credentials;
      this.#enter({ kind: 'steady', serving });
      this.#options.log('change called off');
    } else {
      const { topic, environment } = credentials;
      const warnings = warningsOf(credentials);
      this.#options.log('changing', { topic, environment, warnings });
      const next = this.#connect(credentials);
      if (canStandIn(serving, credentials)) {
        this.#enter({ kind: 'dialling', serving, next, failures: 0 });
      } else this.#swapTo(next);
    }
  }

  /** What carries a notification's next attempt. */
  route(notification: object): ActiveConnection {
    const state = this.#state;
    switch (state.kind) {
      case 'steady':
      case 'dialling':
        return state.serving;
      case 'set aside':
        if (performance.now() < state.retryAt) return state.serving;
        this.#tryAgain(state);
        return this.route(notification);
      case 'on trial':
        if (state.trying) return state.trying === notification ? state.next : state.serving;
        if (state.next.sender.connected) this.#enter({ ...state, trying: notification });
        else this.#enter({ ...state, kind: 'dialling' });
        return this.route(notification);
    }
  }

  /**
   * An attempt of a notification failed.
   * @returns true where Apple refused the credentials, and others are there that can carry it at once
   */
  failed(
    notification: object,
    { error, repeat }: FailedVerdict,
    serving: ActiveConnection,
  ): boolean {
    const state = this.#state;
    const onTrial = state.kind === 'on trial' && state.trying === notification;
    // On trial nothing is repeated with the new ones: the old are there to carry it.
    const refused = error instanceof CredentialsError && (onTrial || !repeat);
    if (refused) noteRefusal(serving, error);
    if (onTrial) {
      // Without an answer the next trial would have its notification wait in vain too.
      if (refused || error instanceof ApnsUnavailableError) this.#setAside(state, error);
      else if (!repeat) this.#enter({ ...state, trying: undefined });
    } else if (refused && serving === state.serving) {
      // Those that were set aside are no better.
      if (state.kind === 'dialling' || state.kind === 'on trial') this.#swapTo(state.next, error);
    }
    return refused && serving !== this.#state.serving;
  }

  /**
   * Apple's last word to a notification, or the daemon's.
   * @param serving what carried it; absent where nothing did, so that nothing was shown of any credentials
   */
  settled(notification: object, verdict: Verdict, serving: ActiveConnection | undefined): void {
    if (!serving) {
      this.broke(notification);
      return;
    }
    if (verdict.kind === 'failed') {
      this.failed(notification, { kind: 'failed', error: verdict.error }, serving);
      return;
    }
    if (verdict.kind === 'accepted') serving.refusal = undefined;
    const state = this.#state;
    if (state.kind !== 'steady' && serving === state.next) this.#swapTo(serving);
  }

  /** A notification that tries nothing any more. */
  broke(notification: object): void {
    const state = this.#state;
    if (state.kind !== 'on trial' || state.trying !== notification) return;
    this.#enter({ ...state, trying: undefined });
  }

  /** Lets what is under way finish. */
  async close(): Promise<void> {
    const { serving } = this.#state;
    this.#enter({ kind: 'steady', serving });
    await Promise.all([serving.sender.close(), ...this.#retiring]);
  }

  /** The one place where the state changes: what has no part in it any more is retired. */
  #enter(state: RotationState): void {
    const before = servingsOf(this.#state);
    this.#state = state;
    const kept = servingsOf(state);
    for (const one of before) if (one && !kept.includes(one)) this.#retire(one);
    if (state.kind === 'dialling') void this.#awaitConnection(state);
  }

  async #awaitConnection(state: Dialling): Promise<void> {
    const { log, closing: signal } = this.#options;
    const { serving, next, failures } = state;
    while (this.#state === state) {
      try {
        await next.sender.ready({ deadline: performance.now() + patienceMs, signal });
      } catch (error) {
        if (this.#state === state) log('change waits', { reason: (error as Error).message });
        continue;
      }
      if (this.#state !== state) return;
      // What waits for a connection with the old ones is handed back: one of them is to try the new.
      const old = serving.sender.connected ? serving : this.#connect(serving.credentials);
      this.#enter({ kind: 'on trial', serving: old, next, failures, trying: undefined });
      log('on trial', { topic: next.credentials.topic });
    }
  }

  #tryAgain({ serving, next, failures }: SetAside): void {
    if (!canStandIn(serving, next.credentials)) this.#swapTo(next);
    else if (!next.sender.connected) this.#enter({ kind: 'dialling', serving, next, failures });
    else this.#enter({ kind: 'on trial', serving, next, failures, trying: undefined });
  }

  #setAside({ serving, next, failures: before }: OnTrial, { message: reason }: Error): void {
    const failures = before + 1;
    const { firstMs, factor, maxMs } = trialBackoff;
    const longest = Math.min(firstMs * factor ** before, maxMs);
    const retryInMs = Math.round(longest * (0.5 + Math.random() / 2));
    const retryAt = performance.now() + retryInMs;
    const since = Date.now();
    this.#enter({ kind: 'set aside', serving, next, failures, reason, since, retryAt });
    this.#options.log('set aside', { topic: next.credentials.topic, reason, retryInMs });
  }

  /** @param refusal of the old ones, where it is the reason */
  #swapTo(next: ActiveConnection, refusal?: CredentialsError): void {
    this.#enter({ kind: 'steady', serving: next });
    this.#dial(next);
    const { topic, environment } = next.credentials;
    this.#options.log('changed', {
      topic,
      environment,
      ...(refusal && { reason: `the old credentials were refused: ${refusal.message}` }),
    });
  }

  /** In the background. Why a gateway can't be reached stands in the log already, and it is dialled on and on. */
  #dial({ sender }: ActiveConnection): void {
    const deadline = performance.now() + patienceMs;
    sender.ready({ deadline, signal: this.#options.closing }).catch(() => {});
  }

  #connect(credentials: Credentials): ActiveConnection {
    return { credentials, refusal: undefined, ...this.#options.connect(credentials) };
  }

  #retire({ sender }: ActiveConnection): void {
    const closed = sender.retire().finally(() => this.#retiring.delete(closed));
    this.#retiring.add(closed);
  }
}

/** Old credentials go on serving in place of new ones only where nobody can tell them apart by where a notification goes. */
function canStandIn({ credentials: old, refusal }: ActiveConnection, wanted: Credentials): boolean {
  return !refusal && old.topic === wanted.topic && old.environment === wanted.environment;
}

function servingsOf(state: RotationState): [serving: ActiveConnection, next?: ActiveConnection] {
  return state.kind === 'steady' ? [state.serving] : [state.serving, state.next];
}

function noteRefusal(serving: ActiveConnection, { message }: CredentialsError): void {
  serving.refusal = { reason: message, since: serving.refusal?.since ?? Date.now() };
}
