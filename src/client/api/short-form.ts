/** `notify(token, message, badge, sound)`, pyapns's short form. */
import type { Aps } from '../../notification/aps.js';
import type { Notification } from '../../notification/notification.js';
import { show } from '../../validation.js';

/** Null and undefined are left out; 0 is sent, since it takes the badge off. Adds what is wrong to `wrong`. */
export function shortForm(
  message: string,
  badge: unknown,
  sound: unknown,
  wrong: string[],
): Notification {
  const aps: Aps = { alert: message };
  if (badge !== null && badge !== undefined) {
    if (!Number.isSafeInteger(badge) || (badge as number) < 0) {
      const what = typeof badge === 'object' ? show(badge) : `${typeof badge} ${String(badge)}`;
      wrong.push(`badge is ${what}, expected 0 or a count`);
    } else aps.badge = badge as number;
  }
  if (sound !== null && sound !== undefined) {
    if (typeof sound === 'string') aps.sound = sound;
    else wrong.push(`sound is ${typeof sound}, expected a sound's name`);
  }
  return { payload: { aps } };
}
