/** The client: what an app calls. */
import { EventEmitter } from 'node:events';
import createDebug from 'debug';
import {
  type ApnsdError,
  ClosedError,
  ConfigError,
  InvalidArgumentError,
  ProvisionError,
} from '../errors.js';
import { maskToken } from '../notification/address.js';
import { checkAddressed } from '../notification/check.js';
import { expired } from '../notification/expiration.js';
import type { Notification } from '../notification/notification.js';
import { Calls } from './calls.js';
import { type ClientEvents, type Emit, emitterOf } from './events.js';
import { type DeadToken, FeedbackLists } from './feedback.js';
import { maxTimerMs } from './fields.js';
import { Healing } from './healing.js';
import type { Options } from './options.js';
import { notifyParams } from './pyapns.js';
import { encodeSend, type Receipt, readAnswer } from './send.js';
import { type Settings, settingsFrom } from './settings.js';
import { shortForm } from './short-form.js';

const debug = createDebug('apnsd:client');

export interface CallOptions {
  /** @default `defaultAppId`, else the only entry of `initial` */
  appId?: string;
  /** Ends the call with the signal's reason; a notification that has left may still be sent. */
  signal?: AbortSignal;
  /** The whole call with all its repeats, in milliseconds. @default the client's `deadlineMs` */
  deadlineMs?: number;
}

/**
 * Makes a client. Does no I/O.
 * @throws ConfigError that names each wrong option
 */
export function createClient(options: Options = {}): Client {
  return new Client(options);
}

/** Emits `healing`, `healed`, `retry`, `rejected` and `overloaded`: see {@link ClientEvents}. */
export class Client extends EventEmitter<ClientEvents> {
  #settings: Settings;
  readonly #emit: Emit;
  readonly #healing: Healing;
  readonly #calls: Calls;
  readonly #feedback = new FeedbackLists();
  #closing: Promise<void> | undefined;

  /** @throws ConfigError that names each wrong option */
  constructor(options: Options = {}) {
    super();
    this.#settings = settingsFrom(options);
    this.#emit = emitterOf(this);
    this.#healing = new Healing(this.#settings, this.#emit);
    this.#calls = new Calls(this.#healing, () => this.#settings, this.#emit);
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Takes new options in place of the old ones; what is under way is not disturbed.
   * @throws ConfigError that names each wrong option, and then the old ones stay; ClosedError
   */
  configure(options: Options): this {
    if (this.closed) throw new ClosedError('the client is closed');
    this.#settings = settingsFrom(options);
    this.#healing.configure(this.#settings);
    this.#calls.configured();
    return this;
  }

  /**
   * Sends a notification and resolves with Apple's answer: accepted (by APNs, which is not "delivered") or rejected;
   * submitted, where the daemon has only pyapns's methods.
   * @param token device token, hex
   * @throws InvalidArgumentError for bad input, ExpiredError once `expiration` has passed, CredentialsError where Apple
   * refuses the app, DeadlineError where no answer came in time, OverloadedError beyond `maxPending`, the signal's
   * reason on abort
   */
  notify(
    token: string,
    message: string,
    badge?: number | null,
    sound?: string | null,
    options?: CallOptions,
  ): Promise<Receipt>;
  notify(token: string, notification: Notification, options?: CallOptions): Promise<Receipt>;
  async notify(
    token: string,
    content: string | Notification,
    ...rest: unknown[]
  ): Promise<Receipt> {
    const wrong: string[] = [];
    const [written, options] =
      typeof content === 'string'
        ? [shortForm(content, rest[0], rest[1], wrong), rest[2]]
        : [content, rest[0]];
    const { appId, limits } = this.#limits(options as CallOptions | undefined);
    if (typeof written !== 'object' || written === null) {
      throw new InvalidArgumentError('notification is neither a message nor an object');
    }
    // The id is made before the first attempt: every repeat carries it.
    const addressed = checkAddressed(token, written, wrong);
    const { token: to, id, notification } = addressed;
    if (!this.#settings.collapseRepeats) notification.collapseId ??= null;
    const request = encodeSend(addressed);
    const receipt = await this.#calls.run(
      appId,
      async ({ footing, number, leftMs, ...attempt }) => {
        const tooLate = expired(notification.expiration);
        if (tooLate) throw tooLate;
        const { transport } = footing;
        return footing.either(
          async () => {
            for (;;) {
              const params = [appId, request(leftMs)];
              const answer = await transport.call('apnsd.send', params, attempt);
              const receipt = readAnswer(answer, to, id, number);
              if (receipt !== 'pending') return receipt;
            }
          },
          async (turns): Promise<Receipt> => {
            const params = notifyParams(appId, to, written, notification.body);
            await turns.take(appId, () => transport.call('notify', params, attempt));
            return { status: 'submitted', token: to, id, attempts: number };
          },
        );
      },
      limits,
    );
    debug('%s: %s %s %s', appId, maskToken(to), id, receipt.status);
    if (receipt.status === 'rejected') this.#emit('rejected', receipt);
    return receipt;
  }

  /**
   * The tokens that Apple called dead since the previous call, which this one acknowledges: each comes at least once.
   * They live in the daemon's memory; receipts have them too.
   */
  async feedback(appId?: string, options: CallOptions = {}): Promise<DeadToken[]> {
    const { appId: app, limits } = this.#limits(
      appId === undefined ? options : { ...options, appId },
    );
    const list = await this.#calls.run(app, (attempt) => this.#feedback.read(app, attempt), limits);
    // Only now: a list that came too late for its call was handed to nobody.
    return this.#feedback.handedOver(app, list);
  }

  /**
   * Provisions all of `initial` now.
   * @throws ProvisionError that has each app that failed
   */
  async provision(options: Omit<CallOptions, 'appId'> = {}): Promise<void> {
    const failures = new Map<string, ApnsdError>();
    const appIds = [...this.#settings.initial.keys()];
    await Promise.all(
      appIds.map(async (appId) => {
        const { limits } = this.#limits({ ...options, appId });
        this.#healing.forget(appId);
        try {
          await this.#calls.run(appId, async () => undefined, limits);
        } catch (error) {
          if (limits.signal?.aborted || error instanceof ClosedError) throw error;
          failures.set(appId, error as ApnsdError);
        }
      }),
    );
    if (failures.size > 0) throw new ProvisionError(failures);
  }

  /**
   * Resolves when fewer than `maxPending` calls are pending.
   * @throws ClosedError, or the signal's reason
   */
  ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#calls.ready(signal);
  }

  /** Lets what is at the daemon finish, rejects what waits with ClosedError, leaves no handle open. */
  close(): Promise<void> {
    this.#closing ??= this.#calls.close().then(() => this.#healing.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #limits(options: CallOptions = {}) {
    const { appId = this.#settings.defaultAppId, signal, ...rest } = options;
    const { deadlineMs = this.#settings.deadlineMs, ...unknown } = rest;
    const [name] = Object.keys(unknown);
    if (name !== undefined) {
      throw new InvalidArgumentError(
        `${name} is no option of a call, expected appId, signal or deadlineMs`,
      );
    }
    if (appId === undefined) {
      throw new ConfigError(
        `${this.#settings.initial.size} apps are configured and none is the default, expected appId or defaultAppId`,
      );
    }
    if (typeof appId !== 'string') {
      throw new InvalidArgumentError(`appId is ${typeof appId}, expected a string`);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new InvalidArgumentError(`signal is ${typeof signal}, expected an AbortSignal`);
    }
    if (!(typeof deadlineMs === 'number' && deadlineMs >= 1 && deadlineMs <= maxTimerMs)) {
      throw new InvalidArgumentError(`deadlineMs is ${deadlineMs}, expected milliseconds from 1`);
    }
    return { appId, limits: { deadlineMs, signal } };
  }
}
