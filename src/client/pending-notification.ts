/** A notification from `notify` to its receipt: one object that its request hands the answer to, and that decides what comes next. */

import { createDebug } from '../debug.js';
import { maskToken } from '../notification/address.js';
import { expired } from '../notification/expiration.js';
import type { WrittenAnswer } from '../rpc/methods.js';
import type { Emit } from './api/events.js';
import { expectPending, type Receipt, receiptOf } from './api/receipt.js';
import type { BatchMember } from './batching/batch.js';
import type { Batchers, QueueName } from './batching/batchers.js';
import type { EncodedNotification } from './batching/send-codec.js';
import { Call, type CallLimits, type CallListener, type CallOwner } from './calls/call.js';
import { type Calls, notSent } from './calls/calls.js';
import type { DaemonSession } from './healing/daemon-session.js';
import type { Healing } from './healing/healing.js';
import { notifyParams } from './xmlrpc/pyapns.js';

const debug = createDebug('apnsd:client');

/** Whom it is for, and what it says. */
export interface AddressedNotification {
  readonly token: string;
  /** The apns-id, which every repeat carries. */
  readonly id: string;
  readonly encoded: EncodedNotification;
}

/** What a notification needs of its client. */
export interface PendingNotificationDeps {
  calls: Calls;
  healing: Healing;
  batchers: Batchers;
  /** The pause before Apple's answer is asked for once more, in milliseconds. @param polls so far, from 1 */
  pollPauseMs: (polls: number) => number;
  emit: Emit;
}

export class PendingNotification extends Call<Receipt> implements BatchMember {
  readonly token: string;
  readonly id: string;
  readonly encoded: EncodedNotification;
  readonly #queue: QueueName;
  readonly #deps: PendingNotificationDeps;
  /** That of the present attempt. */
  #session: DaemonSession | undefined;
  /** How often Apple's answer was asked for in the present attempt, and when last. */
  #polls = 0;
  #polledAt: number | undefined;

  constructor(
    appId: string,
    { token, id, encoded }: AddressedNotification,
    queue: QueueName,
    limits: CallLimits,
    listener: CallListener<Receipt>,
    owner: CallOwner,
    deps: PendingNotificationDeps,
  ) {
    super(appId, limits, listener, owner);
    this.token = token;
    this.id = id;
    this.encoded = encoded;
    this.#queue = queue;
    this.#deps = deps;
  }

  /** Makes an attempt, once the daemon is there and knows the app. */
  start(): void {
    this.#polls = 0;
    this.#polledAt = undefined;
    this.#session = this.#deps.healing.currentSession(this.appId);
    if (this.#session) this.#send(this.#session);
    else this.#waitForSession();
  }

  /** @param cancel takes it out of its request, should it end first */
  onQueued(cancel: (() => void) | undefined): void {
    this.cancelWait = cancel;
  }

  onAnswer(answer: WrittenAnswer): void {
    if (this.ended) return;
    this.cancelWait = undefined;
    try {
      const receipt = receiptOf(answer, this, this.attempts);
      if (receipt) this.#onReceipt(receipt);
      else this.#onNoReceipt(answer);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** Its session was lost before the request was sent. */
  onNotSent(): void {
    if (this.ended) return;
    this.cancelWait = undefined;
    this.inFlight = false;
    this.start();
  }

  /** Its request of `apnsd.send` had no answer. */
  onError(error: unknown): void {
    if (this.ended) return;
    this.cancelWait = undefined;
    if (this.#session?.fallBackAfter(error)) this.#submit(this.#session);
    else this.#onFailure(error);
  }

  /** An attempt failed: the call ends with the error, awaits a repair, or pauses and is sent again. */
  #onFailure(error: unknown): void {
    if (this.ended) return;
    try {
      const pauseMs = this.#deps.calls.pauseAfter(error, this as Call, this.#session);
      if (pauseMs > 0) this.#afterPause(pauseMs, () => this.start());
      else this.start();
    } catch (reason) {
      this.fail(reason);
    }
  }

  #send(session: DaemonSession): void {
    if (session.supportsApnsd) this.#deps.batchers.add(session, this.#queue, this);
    else this.#submit(session);
  }

  #waitForSession(): void {
    this.#deps.healing.waitForSession(this.appId, this as Call).then(
      (session) => {
        if (this.ended) return;
        this.#session = session;
        this.#send(session);
      },
      (error) => this.#onFailure(error),
    );
  }

  #afterPause(ms: number, next: () => void): void {
    // Where the call ends first, its listener was told, and nothing comes next.
    this.pause(ms).then(next, () => undefined);
  }

  /** Apple's answer is still to come, and is asked for; or the daemon says why there is none. */
  #onNoReceipt(answer: WrittenAnswer): void {
    this.lastError = expectPending(answer, this.id);
    // A daemon keeps the question for two seconds; one that does not is asked less and less.
    const now = performance.now();
    this.#polls += 1;
    const pauseMs = (this.#polledAt ?? now) + this.#deps.pollPauseMs(this.#polls) - now;
    if (pauseMs > 0) {
      this.#afterPause(pauseMs, () => this.#poll());
    } else this.#poll();
  }

  #poll(): void {
    this.#polledAt = performance.now();
    if (this.#session) this.#deps.batchers.add(this.#session, 'pending', this);
  }

  /** To a daemon that has only pyapns's methods. */
  #submit(session: DaemonSession): void {
    this.#submitOnce(session).then(
      (receipt) => {
        if (receipt === notSent) this.onNotSent();
        else if (!this.ended) this.#onReceipt(receipt);
      },
      (error) => this.#onFailure(error),
    );
  }

  #submitOnce(session: DaemonSession): Promise<Receipt | typeof notSent> {
    const { appId, token, id, encoded } = this;
    return this.#deps.calls.sendUnshared(this as Call, session, async (options) => {
      const tooLate = expired(encoded.checked.expiration);
      if (tooLate) throw tooLate;
      const params = notifyParams(appId, token, encoded.written, encoded.checked.body);
      const send = () => session.transport.call('notify', params, options);
      await session.firstNotifications.run(appId, send);
      return { status: 'submitted', token, id, attempts: this.attempts };
    });
  }

  #onReceipt(receipt: Receipt): void {
    const { healing, emit } = this.#deps;
    if (this.#session) healing.onAnswer(this.appId, this.#session);
    const { status } = receipt;
    if (debug.enabled) debug('%s: %s %s %s', this.appId, maskToken(this.token), this.id, status);
    if (receipt.status === 'rejected') emit('rejected', receipt);
    this.succeed(receipt);
  }
}
