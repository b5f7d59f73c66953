/** Sends notifications: each is a call that ends with its receipt. */
import { randomUUID } from 'node:crypto';
import createDebug from 'debug';
import { ApnsUnavailableError, InvalidArgumentError } from '../errors.js';
import { checkToken, maskToken } from '../notification/address.js';
import {
  type CheckedNotification,
  checkAddressed,
  checkNotification,
} from '../notification/check.js';
import { expired } from '../notification/expiration.js';
import type { Notification } from '../notification/notification.js';
import type { Call, CallLimits } from './call.js';
import { type Attempt, again, type Calls } from './calls.js';
import type { Emit } from './events.js';
import type { Footing } from './footing.js';
import { notifyParams, type Turns } from './pyapns.js';
import { type Receipt, receiptOf } from './receipt.js';
import { type Encoded, encode, type Letter } from './send.js';
import type { Settings } from './settings.js';
import type { LaneName, Sharing } from './sharing.js';

const debug = createDebug('apnsd:client');

export interface SendingOptions {
  calls: Calls;
  sharing: Sharing;
  settings: () => Settings;
  emit: Emit;
}

export class Sending {
  readonly #options: SendingOptions;

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
    return (token) => ({ token: checkToken(token), id: randomUUID(), encoded });
  }

  /** @throws what {@link Calls.start} throws */
  start(appId: string, letter: Letter, limits: CallLimits, lane: LaneName): Call<Receipt> {
    const attempt: Attempt<Receipt> = (call, footing) =>
      footing.either<Receipt | typeof again>(
        () => this.#send(appId, letter, lane, call, footing),
        (turns) => this.#submit(appId, letter, turns, call, footing),
      );
    return this.#options.calls.start(appId, attempt, limits);
  }

  async #send(
    appId: string,
    letter: Letter,
    first: LaneName,
    call: Call,
    footing: Footing,
  ): Promise<Receipt | typeof again> {
    for (let lane = first; ; lane = 'pending') {
      const answer = await this.#options.sharing.send(appId, footing, lane, call, letter);
      if (answer === undefined) return again;
      const receipt = receiptOf(answer, letter.token, letter.id, call.attempts);
      if (receipt) {
        this.#tell(appId, receipt);
        return receipt;
      }
      call.lastError = new ApnsUnavailableError('Apple has not answered yet');
    }
  }

  async #submit(
    appId: string,
    { encoded, token, id }: Letter,
    turns: Turns,
    call: Call,
    footing: Footing,
  ): Promise<Receipt | typeof again> {
    const { calls } = this.#options;
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

  #encode(written: Notification, checked: CheckedNotification): Encoded {
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
