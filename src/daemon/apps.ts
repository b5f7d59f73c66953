/** The apps that the daemon pushes for: their credentials, their connections to Apple, their dead tokens. */
import { pathOf } from '../apns/contents.js';
import {
  type Credentials,
  type CredentialsSource,
  readCredentials,
  warningsOf,
} from '../apns/credentials.js';
import type { Draft } from '../apns/draft.js';
import type { Environment, Gateways } from '../apns/gateway.js';
import { type Courier, deliver, type RetryState, type Route } from '../apns/policy.js';
import type { ProviderTokens } from '../apns/provider-token.js';
import type { ApnsRequest, Sender, SenderOptions, SendOptions } from '../apns/sender.js';
import type { Verdict } from '../apns/verdict.js';
import { CredentialsError, NotConfiguredError, UnknownAppIdError } from '../errors.js';
import { maskToken } from '../notification/address.js';
import { excerpt } from '../rpc/excerpt.js';
import { Feedback } from './feedback.js';
import type { Log } from './log.js';

export interface AppsOptions {
  gateways: Gateways;
  /** Certificate authorities, PEM, beside Node's own. */
  ca: Readonly<Record<Environment, readonly string[]>>;
  /** The folder that files named by callers must be in. */
  certRoot?: string | undefined;
  tokens: ProviderTokens;
  createSender: (options: SenderOptions) => Sender;
  log: Log;
}

export interface ProvisionOptions extends CredentialsSource {
  appId: string;
  /** How long `notify` waits for Apple, in milliseconds. */
  timeoutMs?: number;
}

/** Credentials that passed. */
export interface Checked {
  options: ProvisionOptions;
  credentials: Credentials;
  /** Its place among all that were to be provisioned. */
  arrival: number;
  /** Of the file that they came from. */
  path: string | undefined;
}

/** pyapns's default. */
const defaultTimeoutMs = 15_000;
/** A gateway that can't be reached for so long keeps a change waiting, which is worth a line in the log. */
const patienceMs = 30_000;

export class Apps {
  readonly #apps = new Map<string, App>();
  readonly #options: AppsOptions;
  readonly #closing = new AbortController();
  #arrivals = 0;

  constructor(options: AppsOptions) {
    this.#options = options;
  }

  /**
   * Checks the credentials that a caller gave, and takes them.
   * @throws CredentialsError with every reason
   */
  async provision(options: ProvisionOptions): Promise<Credentials> {
    const checked = await this.check({ ...options, root: this.#options.certRoot });
    this.take(checked);
    return checked.credentials;
  }

  /**
   * @param arrival what came later wins, however long each takes to read
   * @throws CredentialsError with every reason
   */
  async check(options: ProvisionOptions, arrival = ++this.#arrivals): Promise<Checked> {
    const { cert, key } = options;
    const source = cert ?? key;
    const path = source === undefined ? undefined : pathOf(source);
    return { options, credentials: await readCredentials(options), arrival, path };
  }

  /** Dials in the background; the same again changes nothing. */
  take(checked: Checked): void {
    if (this.#closing.signal.aborted) return;
    const { appId } = checked.options;
    const app = this.#apps.get(appId);
    if (!app) this.#apps.set(appId, new App(checked, this.#options, this.#closing.signal));
    else if (checked.arrival >= app.taken.arrival) app.change(checked);
  }

  /** @throws UnknownAppIdError, or NotConfiguredError where there is no app at all */
  get(appId: string): App {
    const app = this.#apps.get(appId);
    if (app) return app;
    const shown = excerpt(appId);
    if (this.#apps.size > 0) throw new UnknownAppIdError(`app ${shown} is not provisioned`);
    throw new NotConfiguredError(`app ${shown} is not provisioned, nor is any other`);
  }

  /**
   * As pyapns, which knows one fault for an app that is not there.
   * @throws UnknownAppIdError
   */
  named(appId: string): App {
    try {
      return this.get(appId);
    } catch (error) {
      if (error instanceof NotConfiguredError) throw new UnknownAppIdError(error.message);
      throw error;
    }
  }

  list(): App[] {
    return [...this.#apps.values()];
  }

  /** Lets what is under way finish. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.list().map((app) => app.close()));
  }
}

/** Hears how a notification ended. */
export interface Told {
  answered(verdict: Verdict): void;
  /** By an error of our own. */
  broke(error: unknown): void;
  /** An attempt failed which may be repeated; the state is kept up to date until the end. */
  retries?(state: RetryState): void;
}

export class App {
  readonly id: string;
  readonly feedback = new Feedback();
  /** Of notifications, but for `attempts`: how often one was handed to a connection, or waited for one. */
  readonly counts = { accepted: 0, rejected: 0, failed: 0, attempts: 0 };
  readonly #options: AppsOptions;
  readonly #closing: AbortSignal;
  /** The last that was provisioned. */
  #taken: Checked;
  #serving: Serving;
  /** Changed credentials whose connection Apple has not taken yet. */
  #next: Serving | undefined;
  /** Connections that only finish what they have begun. */
  readonly #retiring = new Set<Promise<void>>();

  constructor(taken: Checked, options: AppsOptions, closing: AbortSignal) {
    const { credentials } = taken;
    this.id = taken.options.appId;
    this.#options = options;
    this.#closing = closing;
    this.#taken = taken;
    this.#serving = this.#dial(credentials);
    this.#log('provisioned', { topic: credentials.topic, warnings: warningsOf(credentials) });
    const deadline = performance.now() + patienceMs;
    // Dials. A gateway that can't be reached is a line in the log already, and is dialled on and on.
    this.#serving.sender.ready({ deadline, signal: closing }).catch(() => {});
  }

  get taken(): Checked {
    return this.#taken;
  }

  /** How long `notify` waits for Apple, in milliseconds. */
  get timeoutMs(): number {
    return this.#taken.options.timeoutMs ?? defaultTimeoutMs;
  }

  get credentials(): Credentials {
    return this.#serving.credentials;
  }

  get changing(): boolean {
    return this.#next !== undefined;
  }

  /** Apple's last refusal of the credentials that serve, until it accepts a notification. */
  get refusal(): Refusal | undefined {
    return this.#serving.refusal;
  }

  /** The old credentials serve until Apple has taken a connection with the new ones. */
  change(taken: Checked): void {
    this.#taken = taken;
    const { credentials } = taken;
    const wanted = (this.#next ?? this.#serving).credentials.fingerprint;
    if (credentials.fingerprint === wanted) return;
    if (this.#next) this.#retire(this.#next);
    this.#next = undefined;
    if (credentials.fingerprint === this.credentials.fingerprint) {
      this.#log('change called off');
      return;
    }
    this.#log('changing', { topic: credentials.topic, warnings: warningsOf(credentials) });
    const next = this.#dial(credentials);
    this.#next = next;
    void this.#swapTo(next);
  }

  /** Whether so many more notifications may wait for Apple, whose payloads are so long together. */
  hasRoom(notifications: number, bytes: number): boolean {
    return this.#serving.sender.hasRoom(notifications, bytes);
  }

  /**
   * @param token and id checked ones
   * @param told hears how it ended
   * @param state where it has failed before
   */
  send(
    token: string,
    id: string,
    draft: Draft,
    options: SendOptions,
    told: Told,
    state?: RetryState,
  ): void {
    const isRepeat = state !== undefined;
    deliver(new Delivery(this, token, id, draft, told, isRepeat), options, state);
  }

  /** What carries notifications at the moment. */
  get serving(): Serving {
    return this.#serving;
  }

  /**
   * Apple's last word to a notification, by the way that it went.
   * @param isRepeat it has failed before, and was counted and logged then
   */
  settled(token: string, id: string, verdict: Verdict, serving: Serving, isRepeat: boolean): void {
    if (verdict.kind !== 'failed' || !isRepeat) this.counts[verdict.kind] += 1;
    if (verdict.kind === 'accepted') {
      serving.refusal = undefined;
    } else if (verdict.kind === 'rejected') {
      const { reason, httpStatus, unregisteredAt } = verdict;
      if (httpStatus === 410) this.feedback.add(token, unregisteredAt ?? Date.now());
      this.#log('rejected', { token: maskToken(token), id, reason });
    } else {
      if (verdict.error instanceof CredentialsError) noteRefusal(serving, verdict.error);
      if (!isRepeat)
        this.#log('failed', { token: maskToken(token), id, reason: verdict.error.message });
    }
  }

  async close(): Promise<void> {
    if (this.#next) this.#retire(this.#next);
    this.#next = undefined;
    await Promise.all([this.#serving.sender.close(), ...this.#retiring]);
  }

  #dial(credentials: Credentials): Serving {
    const { gateways, ca, tokens, createSender } = this.#options;
    const token = credentials.kind === 'token' ? tokens.for(credentials) : undefined;
    const sender = createSender({
      gateway: gateways[credentials.environment],
      ca: ca[credentials.environment],
      log: (event, fields) => this.#log(event, fields),
      ...(credentials.kind === 'certificate' && { cert: credentials.cert, key: credentials.key }),
      ...(token && { authorization: () => token.current() }),
    });
    return { credentials, sender, token, refusal: undefined };
  }

  async #swapTo(next: Serving): Promise<void> {
    while (this.#next === next) {
      try {
        await next.sender.ready({
          deadline: performance.now() + patienceMs,
          signal: this.#closing,
        });
      } catch (error) {
        if (this.#next === next) this.#log('change waits', { reason: (error as Error).message });
        continue;
      }
      if (this.#next !== next) return;
      const old = this.#serving;
      this.#serving = next;
      this.#next = undefined;
      this.#log('changed', { topic: next.credentials.topic });
      this.#retire(old);
    }
  }

  #retire({ sender }: Serving): void {
    const closed = sender.retire().finally(() => this.#retiring.delete(closed));
    this.#retiring.add(closed);
  }

  #log(event: string, fields?: Record<string, unknown>): void {
    this.#options.log(event, { app: this.id, ...fields });
  }
}

/** One notification to one receiver. */
class Delivery implements Courier<Serving> {
  readonly #app: App;
  readonly #token: string;
  readonly #id: string;
  readonly #draft: Draft;
  readonly #told: Told;
  readonly #isRepeat: boolean;

  constructor(app: App, token: string, id: string, draft: Draft, told: Told, isRepeat: boolean) {
    this.#app = app;
    this.#token = token;
    this.#id = id;
    this.#draft = draft;
    this.#told = told;
    this.#isRepeat = isRepeat;
  }

  route(): Serving {
    return this.#app.serving;
  }

  requestOver({ credentials }: Serving): ApnsRequest {
    this.#app.counts.attempts += 1;
    return this.#draft.requestTo(this.#token, this.#id, credentials.topic);
  }

  retries(state: RetryState): void {
    this.#told.retries?.(state);
  }

  settled(verdict: Verdict, serving: Serving): void {
    this.#app.settled(this.#token, this.#id, verdict, serving, this.#isRepeat);
    this.#told.answered(verdict);
  }

  broke(error: unknown): void {
    this.#told.broke(error);
  }
}

interface Serving extends Route {
  credentials: Credentials;
  refusal: Refusal | undefined;
}

export interface Refusal {
  reason: string;
  /** UNIX milliseconds of the first one in a row. */
  since: number;
}

function noteRefusal(serving: Serving, { message }: CredentialsError): void {
  serving.refusal = { reason: message, since: serving.refusal?.since ?? Date.now() };
}
