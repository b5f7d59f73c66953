/** What an author may write: the payload, and beside it what goes to Apple as headers. The push type says what is legal. */
import type { Aps, BackgroundAps, LiveActivityAps, ReloadAps } from './aps.js';

export type Notification =
  | AlertNotification
  | BackgroundNotification
  | LiveActivityNotification
  | MdmNotification
  | ReloadNotification
  | OtherNotification;

/** What the device gets, keys as Apple spells them: `{ aps: { alert: 'Hello' }, orderId: 7 }`. */
export interface Payload<A = Aps> extends Custom {
  aps: A;
}

/** The app's own keys; their values are written as JSON. */
interface Custom {
  /** Apple's simulator reads it in `.apns` files; it is not sent. */
  'Simulator Target Bundle'?: string;
  [key: string]: unknown;
}

/** What goes to Apple as headers. */
interface Headers<Priority = 10 | 5 | 1> {
  /** Sent as it is. @default the app's topic, with what the push type appends to it */
  topic?: string;
  /** 10 at once, 5 with regard to the battery, 1 without waking the device. @default Apple's: 10, and 5 for background */
  priority?: Priority;
  /** Until when Apple keeps trying, and we send; 0 is "try once, don't store". @default Apple's own */
  expiration?: Date | 0;
  /** Of notifications with the same one the device shows the latest; at most 64 bytes of UTF-8. Null: none, ever. */
  collapseId?: string | null;
  /** The apns-id, a UUID: the same on every repeat. @default a new one */
  id?: string;
}

export interface AlertNotification extends Headers {
  /** @default background for `content-available` without alert, badge and sound; else alert */
  pushType?: 'alert';
  /** At most 4,096 bytes of JSON. */
  payload: Payload;
}

export interface BackgroundNotification extends Headers<5> {
  /** @default background for `content-available` without alert, badge and sound; else alert */
  pushType?: 'background';
  payload: Payload<BackgroundAps>;
}

export interface LiveActivityNotification extends Headers {
  pushType: 'liveactivity';
  payload: Payload<LiveActivityAps>;
}

export interface MdmNotification extends Headers {
  pushType: 'mdm';
  payload: Custom & {
    /** The device's PushMagic. */
    mdm: string;
    aps?: never;
  };
}

/** Has the system reload the app's widgets or controls. */
export interface ReloadNotification extends Headers {
  pushType: 'widgets' | 'controls';
  payload: Payload<ReloadAps>;
}

/** What only the app reads. */
export interface OtherNotification extends Headers {
  /** `location` works with a provider token only. */
  pushType: 'complication' | 'fileprovider' | 'location' | 'pushtotalk' | 'voip';
  /** At most 5,120 bytes of JSON for voip, else 4,096. */
  payload: Custom & { aps?: Aps };
}
