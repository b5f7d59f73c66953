/** The way of a notification through the client: it is checked and encoded, opened as a call, and sent. */
import { InvalidArgumentError } from '../errors.js';
import { checkToken } from '../notification/address.js';
import {
  type CheckedNotification,
  checkAddressed,
  checkNotification,
} from '../notification/check.js';
import { newId } from '../notification/new-id.js';
import type { Notification } from '../notification/notification.js';
import type { Receipt } from './api/receipt.js';
import type { QueueName } from './batching/batchers.js';
import { type EncodedNotification, encode } from './batching/send-codec.js';
import type { CallLimits, CallListener } from './calls/call.js';
import type { Settings } from './config/settings.js';
import {
  type AddressedNotification,
  PendingNotification,
  type PendingNotificationDeps,
} from './pending-notification.js';

export interface NotifierDeps extends PendingNotificationDeps {
  settings: () => Settings;
}

export class Notifier {
  readonly #deps: NotifierDeps;

  constructor(deps: NotifierDeps) {
    this.#deps = deps;
  }

  /**
   * Checks a notification and its receiver. The id is made here, before the first attempt: every repeat carries it.
   * @param problems that are known already
   * @throws InvalidArgumentError with every problem; ExpiredError
   */
  address(token: unknown, written: unknown, problems: string[] = []): AddressedNotification {
    const { token: to, id, notification } = checkAddressed(token, expectObject(written), problems);
    return { token: to, id, encoded: this.#encode(written as Notification, notification) };
  }

  /**
   * What addresses the same notification to many.
   * @throws InvalidArgumentError with every problem; ExpiredError
   */
  forAll(written: Notification): (token: unknown) => AddressedNotification {
    const checked = checkNotification(expectObject(written));
    if (written.id !== undefined) {
      throw new InvalidArgumentError('id is given, expected none: each token gets one of its own');
    }
    const encoded = this.#encode(written, checked);
    return (token) => ({ token: checkToken(token), id: newId(), encoded });
  }

  /**
   * Sends it; the listener gets the receipt, or why there is none.
   * @throws OverloadedError beyond `maxPending`, ClosedError, or the signal's reason
   */
  send(
    appId: string,
    addressed: AddressedNotification,
    limits: CallLimits,
    queue: QueueName,
    listener: CallListener<Receipt>,
  ): PendingNotification {
    const pending = this.#deps.calls.open(
      limits,
      (owner) =>
        new PendingNotification(appId, addressed, queue, limits, listener, owner, this.#deps),
    );
    pending.start();
    return pending;
  }

  #encode(written: Notification, checked: CheckedNotification): EncodedNotification {
    if (!this.#deps.settings().collapseRepeats) checked.collapseId ??= null;
    return encode(written, checked);
  }
}

function expectObject(written: unknown): object {
  if (typeof written === 'object' && written !== null) return written;
  throw new InvalidArgumentError('notification is neither a message nor an object');
}
