/** What an author may write. */
import type { PushType } from './push-type.js';

/** What the device gets, keys as Apple spells them: `{ aps: { alert: 'Hello' }, orderId: 7 }`. */
export interface Payload {
  aps?: Aps;
  [key: string]: unknown;
}

/** The dictionary that iOS reads. Source: Apple, "Generating a remote notification". */
export interface Aps {
  alert?: string | Alert;
  badge?: number;
  sound?: string | { critical?: 0 | 1; name: string; volume?: number };
  'thread-id'?: string;
  category?: string;
  'content-available'?: 1;
  'mutable-content'?: 1;
  [key: string]: unknown;
}

export interface Alert {
  title?: string;
  subtitle?: string;
  body?: string;
  [key: string]: unknown;
}

export interface Notification {
  payload: Payload;
  /** @default background for `content-available` without alert, badge and sound; else alert */
  pushType?: PushType;
  /** @default the app's topic */
  topic?: string;
  /** 10 at once, 5 with regard to the battery, 1 without waking the device; background takes 5 only. @default Apple's: 10, and 5 for background */
  priority?: 10 | 5 | 1;
  /** Until when Apple keeps trying; 0 is "try once, don't store". @default Apple's own */
  expiration?: Date | 0;
  /** The apns-id, a UUID: the same on every repeat. @default a new one */
  id?: string;
}
