/** `notify(token, message, badge, sound)`, pyapns's short form. */
import { InvalidArgumentError } from '../errors.js';
import type { Aps, Notification } from '../notification/notification.js';

/**
 * Null and undefined are left out; 0 is sent, since it takes the badge off.
 * @throws InvalidArgumentError
 */
export function shortForm(message: string, badge: unknown, sound: unknown): Notification {
  const aps: Aps = { alert: message };
  if (badge !== null && badge !== undefined) {
    if (!Number.isSafeInteger(badge) || (badge as number) < 0) {
      throw new InvalidArgumentError(`badge is ${typeof badge} ${badge}, expected 0 or a count`);
    }
    aps.badge = badge as number;
  }
  if (sound !== null && sound !== undefined) {
    if (typeof sound !== 'string') {
      throw new InvalidArgumentError(`sound is ${typeof sound}, expected a sound's name`);
    }
    aps.sound = sound;
  }
  return { payload: { aps } };
}
