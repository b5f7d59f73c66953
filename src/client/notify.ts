/** Sends notifications: each is a call that ends with its receipt. */

import { pause } from '../backoff.js';
import { createDebug } from '../debug.js';
import { InvalidArgumentError } from '../errors.js';
import { checkToken, maskToken } from '../notification/address.js';
import {
  type CheckedNotification,
  checkAddressed,
  checkNotification,
} from '../notification/check.js';
import { expired } from '../notification/expiration.js';
import { newId } from '../notification/new-id.js';
import type { Notification } from '../notification/notification.js';
import type { Emit } from './api/events.js';
import { expectPending, type Receipt, receiptOf } from './api/receipt.js';
import type { Batchers, QueueName } from './batching/batchers.js';
import { type EncodedNotification, encode, type Letter } from './batching/send-codec.js';
import type { Call, Caller, CallLimits } from './calls/call.js';
import { type Attempt, again, type Calls } from './calls/calls.js';
import type { Settings } from './config/settings.js';
import { FirstAttempt, type FirstOutcome, type Surroundings } from './first-attempt.js';
import type { DaemonSession } from './healing/daemon-session.js';
import type { Healing } from './healing/healing.js';
import { type FirstNotifications, notifyParams } from './xmlrpc/pyapns.js';

const debug = createDebug('apnsd:client');

export interface SendingOptions {
  calls: Calls;
  healing: Healing;
  sharing: Batchers;
  settings: () => Settings;
  emit: Emit;
}

export class Sending {
  readonly #options: SendingOptions;
  /** One for all of them. */
  readonly #firstAttempts: Surroundings = {
    succeeded: ({ call, footing }, receipt) => {
      this.#options.healing.onAnswer(call.appId, footing);
      this.#tell(call.appId, receipt);
      call.succeed(receipt);
    },
    ended: ({ call, letter, footing, lane }, outcome) =>
      this.#options.calls.attempt(call, this.#attempt(letter, lane, outcome), footing),
  };

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /**
   * Its id is made before the first attempt: every repeat carries it.
   * @param wrong what is known to be wrong already
   * @throws InvalidArgumentError with every reason; ExpiredError
   */
  letter(token: unknown, written: unknown, wrong: string[] = []): Letter {
    const { token: to, id, notification } = checkAddressed(token, expectObject(written), wrong);
    return { token: to, id, encoded: this.#encode(written as Notification, notification) };
  }

  /**
   * What makes letters of the same notification for many.
   * @throws InvalidArgumentError with every reason; ExpiredError
   */
  forAll(written: Notification): (token: unknown) => Letter {
    const checked = checkNotification(expectObject(written));
    if (written.id !== undefined) {
      throw new InvalidArgumentError('id is given, expected none: each token gets one of its own');
    }
    const encoded = this.#encode(written, checked);
    return (token) => ({ token: checkToken(token), id: newId(), encoded });
  }

  /**
   * Sends it as a call: `caller` is told the receipt, or why there is none.
   * @throws what {@link Calls.open} throws
   */
  start(
    appId: string,
    letter: Letter,
    limits: CallLimits,
    lane: QueueName,
    caller: Caller<Receipt>,
  ): Call<Receipt> {
    const { calls, healing, sharing } = this.#options;
    const call = calls.open(appId, limits, caller);
    const footing = healing.currentSession(appId);
    if (footing?.supportsApnsd) {
      const first = new FirstAttempt(call, letter, footing, lane, this.#firstAttempts);
      sharing.add(footing, lane, first);
    } else calls.attempt(call, this.#attempt(letter, lane));
    return call;
  }

  /** @param begun gives, or throws, what came of the first one */
  #attempt(letter: Letter, lane: QueueName, begun?: FirstOutcome): Attempt<Receipt> {
    let first = begun;
    return (call, footing) => {
      const outcome = first;
      first = undefined;
      return footing.callWithFallback<Receipt | typeof again>(
        () => this.#send(letter, lane, call, footing, outcome),
        (turns) => this.#submit(letter, turns, call, footing),
        outcome !== undefined,
      );
    };
  }

  async #send(
    letter: Letter,
    lane: QueueName,
    call: Call,
    footing: DaemonSession,
    begun?: FirstOutcome,
  ): Promise<Receipt | typeof again> {
    const { sharing, settings } = this.#options;
    let answer = begun ? begun() : await sharing.send(footing, lane, call, letter);
    let nextAt = performance.now();
    for (let polls = 1; ; polls += 1) {
      if (answer === undefined) return again;
      const receipt = receiptOf(answer, letter, call.attempts);
      if (receipt) {
        this.#tell(call.appId, receipt);
        return receipt;
      }
      call.lastError = expectPending(answer, letter.id);
      // A daemon keeps the question for two seconds; one that does not is asked less and less.
      nextAt += pause(settings().retry, polls);
      const restMs = nextAt - performance.now();
      if (restMs > 0) await call.pause(restMs);
      nextAt = performance.now();
      answer = await sharing.send(footing, 'pending', call, letter);
    }
  }

  async #submit(
    { encoded, token, id }: Letter,
    turns: FirstNotifications,
    call: Call,
    footing: DaemonSession,
  ): Promise<Receipt | typeof again> {
    const { calls } = this.#options;
    const { appId } = call;
    return calls.alone(appId, call, footing, async (options): Promise<Receipt> => {
      const tooLate = expired(encoded.checked.expiration);
      if (tooLate) throw tooLate;
      const params = notifyParams(appId, token, encoded.written, encoded.checked.body);
      await turns.take(appId, () => footing.transport.call('notify', params, options));
      const receipt: Receipt = { status: 'submitted', token, id, attempts: call.attempts };
      this.#tell(appId, receipt);
      return receipt;
    });
  }

  #encode(written: Notification, checked: CheckedNotification): EncodedNotification {
    if (!this.#options.settings().collapseRepeats) checked.collapseId ??= null;
    return encode(written, checked);
  }

  #tell(appId: string, receipt: Receipt): void {
    const { token, id, status } = receipt;
    if (debug.enabled) debug('%s: %s %s %s', appId, maskToken(token), id, status);
    if (receipt.status === 'rejected') this.#options.emit('rejected', receipt);
  }
}

function expectObject(written: unknown): object {
  if (typeof written === 'object' && written !== null) return written;
  throw new InvalidArgumentError('notification is neither a message nor an object');
}
