/** The client: what an app calls. */
import { EventEmitter } from 'node:events';
import { pause } from '../../backoff.js';
import {
  type ApnsdError,
  ClosedError,
  ConfigError,
  InvalidArgumentError,
  ProvisionError,
} from '../../errors.js';
import type { Notification } from '../../notification/notification.js';
import { maxTimerMs, show } from '../../validation.js';
import { Batchers } from '../batching/batchers.js';
import { type Attempt, Calls } from '../calls/calls.js';
import { type Settings, settingsFrom } from '../config/settings.js';
import { type DeadToken, type FeedbackList, FeedbackLists } from '../feedback.js';
import { Healing } from '../healing/healing.js';
import { Notifier } from '../notify.js';
import { type AnyIterable, NotifyMany, type Outcome } from '../notify-many.js';
import { type ClientEvents, type Emit, emitterOf } from './events.js';
import type { Options } from './options.js';
import type { Receipt } from './receipt.js';
import { shortForm } from './short-form.js';

/**
 * Enough for 24,000 a second where Apple takes a tenth of a second; with more, each costs more, since the garbage
 * collector moves whatever waits.
 */
export const maxMany = 2400;

const callOptions = new Set<string>([
  'appId',
  'signal',
  'deadlineMs',
] satisfies (keyof CallOptions)[]);

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
  readonly #notifier: Notifier;
  readonly #feedback = new FeedbackLists();
  #closing: Promise<void> | undefined;

  /** @throws ConfigError that names each wrong option */
  constructor(options: Options = {}) {
    super();
    this.#settings = settingsFrom(options);
    this.#emit = emitterOf(this, () => this.#settings.on);
    this.#healing = new Healing(this.#settings, this.#emit);
    const settings = () => this.#settings;
    this.#calls = new Calls(this.#healing, settings, this.#emit);
    this.#notifier = new Notifier({
      calls: this.#calls,
      healing: this.#healing,
      batchers: new Batchers(settings, (appId) => this.#healing.currentSession(appId)),
      settings,
      pollPauseMs: (polls) => pause(this.#settings.retry, polls),
      emit: this.#emit,
    });
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
    this.#calls.onConfigured();
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
  notify(token: string, content: string | Notification, ...rest: unknown[]): Promise<Receipt> {
    return new Promise((onResult, onError) => {
      const problems: string[] = [];
      const short = typeof content === 'string';
      const written = short ? shortForm(content, rest[0], rest[1], problems) : content;
      const options = (short ? rest[2] : rest[0]) as CallOptions | undefined;
      const { appId, limits } = this.#limits(options);
      const addressed = this.#notifier.address(token, written, problems);
      this.#notifier.send(appId, addressed, limits, 'single', { onResult, onError });
    });
  }

  /**
   * Sends any number of notifications in bounded memory, and gives their outcomes as they come, in no order. Takes from
   * the source as fast as outcomes are taken: nothing is sent before the first is asked for. A `break` takes nothing more,
   * sends nothing that waits, and lets finish what has left. `deadlineMs` is for each.
   * @param tokens of devices that all get the same notification
   * @throws InvalidArgumentError for a notification that is wrong for all; when iterated: ClosedError, the signal's reason
   * on abort, whatever the source throws. What is wrong with one item is its outcome.
   */
  notifyMany(
    items: AnyIterable<Notification & { token: string }>,
    options?: CallOptions,
  ): AsyncIterable<Outcome>;
  notifyMany(
    tokens: AnyIterable<string>,
    notification: Notification,
    options?: CallOptions,
  ): AsyncIterable<Outcome>;
  notifyMany(source: AnyIterable<unknown>, ...rest: unknown[]): AsyncIterable<Outcome> {
    const same = rest.length > 1 || 'payload' in Object(rest[0]);
    const { appId, limits } = this.#limits((same ? rest[1] : rest[0]) as CallOptions | undefined);
    const { deadlineMs, signal } = limits;
    const each = { deadlineMs };
    const many = new NotifyMany(checkSource(source), {
      address: same
        ? this.#notifier.forAll(rest[0] as Notification)
        : (item) => {
            const { token, ...notification } = Object(item);
            return this.#notifier.address(token, notification);
          },
      send: (addressed, listener) => this.#notifier.send(appId, addressed, each, 'many', listener),
      hasRoom: () => this.#calls.hasRoom,
      waitForRoom: () => this.#calls.waitForRoom(signal),
      // Half of the room is left for others.
      limit: () => Math.max(1, Math.min(maxMany, this.#settings.maxPending / 2)),
      signal,
    });
    return many.outcomes;
  }

  /**
   * The tokens that Apple called dead since the previous call, which this one acknowledges: each comes at least once.
   * They live in the daemon's memory; receipts have them too.
   */
  async feedback(appId?: string, options: CallOptions = {}): Promise<DeadToken[]> {
    const { appId: app, limits } = this.#limits(
      appId === undefined ? options : { ...options, appId },
    );
    const read: Attempt<FeedbackList> = (call, session) =>
      this.#calls.sendUnshared(call, session, (options) =>
        this.#feedback.read(app, session, options),
      );
    const list = await this.#calls.run(app, read, limits);
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
        this.#healing.invalidate(appId);
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
    return this.#calls.waitForRoom(signal);
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
    const { defaultAppId, deadlineMs: defaultMs } = this.#settings;
    const { appId = defaultAppId, signal, deadlineMs = defaultMs } = options;
    for (const name in options) {
      if (callOptions.has(name)) continue;
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
      throw new InvalidArgumentError(
        `deadlineMs is ${show(deadlineMs)}, expected milliseconds from 1`,
      );
    }
    return { appId, limits: { deadlineMs, signal } };
  }
}

/** A string is a list of characters, and surely not meant as one. */
function checkSource(source: unknown): AnyIterable<unknown> {
  const known = Object(source);
  const iterable = Symbol.asyncIterator in known || Symbol.iterator in known;
  if (iterable && typeof source !== 'string') return source as AnyIterable<unknown>;
  throw new InvalidArgumentError(
    `${typeof source} is what notifyMany was given, expected an iterable, sync or async`,
  );
}
