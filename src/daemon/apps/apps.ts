/** The apps that the daemon pushes for: their credentials, their connections to Apple, their dead tokens. */
import { pathOf } from '../../apns/credentials/contents.js';
import {
  type Credentials,
  type CredentialsSource,
  readCredentials,
  warningsOf,
} from '../../apns/credentials/credentials.js';
import type { ProviderTokens } from '../../apns/credentials/provider-token.js';
import type { Environment, Gateways } from '../../apns/gateway.js';
import type { RequestTemplate } from '../../apns/request.js';
import { type Courier, deliver, type RetryState, type Route } from '../../apns/retry.js';
import type { ApnsRequest, Sender, SenderOptions, SendOptions } from '../../apns/sender.js';
import type { FailedVerdict, Verdict } from '../../apns/verdict.js';
import { NotConfiguredError, UnknownAppIdError } from '../../errors.js';
import { maskToken } from '../../notification/address.js';
import { excerpt } from '../../rpc/excerpt.js';
import type { Log } from '../config/json-log.js';
import {
  type ActiveConnection,
  CredentialsRotation,
  type Refusal,
  type RotationState,
} from './credentials-rotation.js';
import { Feedback } from './feedback.js';

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
   * @param signal ends the waiting for keys derived from a passphrase
   * @throws CredentialsError with every reason, or OverloadedError where too many wait for keys already
   */
  async provision(options: ProvisionOptions, signal?: AbortSignal): Promise<Credentials> {
    const inRoot = { ...options, root: this.#options.certRoot };
    const checked = await this.check(inRoot, undefined, signal);
    this.take(checked);
    return checked.credentials;
  }

  /**
   * @param arrival what came later wins, however long each takes to read
   * @throws CredentialsError with every reason
   */
  async check(
    options: ProvisionOptions,
    arrival = ++this.#arrivals,
    signal: AbortSignal = this.#closing.signal,
  ): Promise<Checked> {
    const { cert, key } = options;
    const source = cert ?? key;
    const path = source === undefined ? undefined : pathOf(source);
    const credentials = await readCredentials(options, Date.now(), signal);
    return { options, credentials, arrival, path };
  }

  /** Dials in the background; the same again changes nothing. */
  take(checked: Checked): void {
    if (this.#closing.signal.aborted) return;
    const { appId } = checked.options;
    const app = this.#apps.get(appId);
    if (!app) this.#apps.set(appId, new App(checked, this.#options, this.#closing.signal));
    else if (checked.arrival >= app.taken.arrival) app.provision(checked);
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
  /** For the notifications on their way. */
  readonly rotation: CredentialsRotation;
  readonly #options: AppsOptions;
  /** The last that was provisioned. */
  #taken: Checked;

  constructor(taken: Checked, options: AppsOptions, closing: AbortSignal) {
    const { credentials } = taken;
    this.id = taken.options.appId;
    this.#options = options;
    this.#taken = taken;
    this.rotation = new CredentialsRotation(credentials, {
      connect: (credentials) => this.#connect(credentials),
      log: (event, fields) => this.#log(event, fields),
      closing,
    });
    this.#log('provisioned', { topic: credentials.topic, warnings: warningsOf(credentials) });
  }

  get taken(): Checked {
    return this.#taken;
  }

  /** How long `notify` waits for Apple, in milliseconds. */
  get timeoutMs(): number {
    return this.#taken.options.timeoutMs ?? defaultTimeoutMs;
  }

  /** Those that serve. */
  get credentials(): Credentials {
    return this.rotation.serving.credentials;
  }

  /** How far a change of credentials has come. */
  get change(): RotationState {
    return this.rotation.state;
  }

  /** Apple's last refusal of credentials, until it accepts a notification with them, or others take their place. */
  get refusal(): Refusal | undefined {
    return this.rotation.refusal;
  }

  /** Why no connection to Apple can be had, if so. */
  get trouble(): Trouble | undefined {
    return troubleOf(this.rotation.serving.sender);
  }

  provision(taken: Checked): void {
    this.#taken = taken;
    this.rotation.change(taken.credentials);
  }

  /** Whether so many more notifications may wait for Apple, whose payloads are so long together. */
  hasRoom(notifications: number, bytes: number): boolean {
    return this.rotation.serving.sender.hasRoom(notifications, bytes);
  }

  /**
   * @param token and id checked ones
   * @param told hears how it ended
   * @param state where it has failed before
   */
  send(
    token: string,
    id: string,
    draft: RequestTemplate,
    options: SendOptions,
    told: Told,
    state?: RetryState,
  ): void {
    const isRepeat = state !== undefined;
    deliver(new Delivery(this, token, id, draft, told, isRepeat), options, state);
  }

  /**
   * Apple's last word to a notification.
   * @param isRepeat it has failed before, and was counted and logged then
   */
  settled(token: string, id: string, verdict: Verdict, isRepeat: boolean): void {
    if (verdict.kind !== 'failed' || !isRepeat) this.counts[verdict.kind] += 1;
    if (verdict.kind === 'rejected') {
      const { reason, httpStatus, unregisteredAt } = verdict;
      if (httpStatus === 410) this.feedback.add(token, unregisteredAt ?? Date.now());
      this.#log('rejected', { token: maskToken(token), id, reason });
    } else if (verdict.kind === 'failed' && !isRepeat) {
      this.#log('failed', { token: maskToken(token), id, reason: verdict.error.message });
    }
  }

  /** Lets what is under way finish. */
  close(): Promise<void> {
    return this.rotation.close();
  }

  #connect(credentials: Credentials): Route {
    const { gateways, ca, tokens, createSender } = this.#options;
    const token = credentials.kind === 'token' ? tokens.for(credentials) : undefined;
    const sender = createSender({
      gateway: gateways[credentials.environment],
      ca: ca[credentials.environment],
      log: (event, fields) => this.#log(event, fields),
      ...(credentials.kind === 'certificate' && { cert: credentials.cert, key: credentials.key }),
      ...(token && { authorization: () => token.current() }),
    });
    return { sender, token };
  }

  #log(event: string, fields?: Record<string, unknown>): void {
    this.#options.log(event, { app: this.id, ...fields });
  }
}

/** One notification to one receiver. */
class Delivery implements Courier<ActiveConnection> {
  readonly #app: App;
  readonly #token: string;
  readonly #id: string;
  readonly #draft: RequestTemplate;
  readonly #told: Told;
  readonly #isRepeat: boolean;

  constructor(
    app: App,
    token: string,
    id: string,
    draft: RequestTemplate,
    told: Told,
    isRepeat: boolean,
  ) {
    this.#app = app;
    this.#token = token;
    this.#id = id;
    this.#draft = draft;
    this.#told = told;
    this.#isRepeat = isRepeat;
  }

  route(): ActiveConnection {
    return this.#app.rotation.route(this);
  }

  requestOver({ credentials }: ActiveConnection): ApnsRequest {
    this.#app.counts.attempts += 1;
    return this.#draft.requestTo(this.#token, this.#id, credentials.topic);
  }

  retries(state: RetryState): void {
    this.#told.retries?.(state);
  }

  failed(verdict: FailedVerdict, serving: ActiveConnection): boolean {
    return this.#app.rotation.failed(this, verdict, serving);
  }

  settled(verdict: Verdict, serving: ActiveConnection | undefined): void {
    this.#app.rotation.settled(this, verdict, serving);
    this.#app.settled(this.#token, this.#id, verdict, this.#isRepeat);
    this.#told.answered(verdict);
  }

  broke(error: unknown): void {
    this.#app.rotation.broke(this);
    this.#told.broke(error);
  }
}

/** Why no connection can be had. */
export interface Trouble {
  reason: string;
  /** UNIX milliseconds. */
  since: number;
}

export function troubleOf(sender: Sender): Trouble | undefined {
  const error = sender.trouble();
  return error && { reason: error.message, since: sender.troubleSince ?? Date.now() };
}
