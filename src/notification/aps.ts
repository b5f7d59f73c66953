/** The `aps` dictionary, keys as Apple spells them. Sources: Apple, "Generating a remote notification", "Starting and updating Live Activities with ActivityKit push notifications", "Updating widgets with WidgetKit push notifications". */

/** What shows, sounds or wakes. */
export interface Aps {
  alert?: string | Alert;
  /** 0 takes the badge off. */
  badge?: number;
  /** A file's name, `'default'`, or a critical alert's sound. */
  sound?: string | Sound;
  /** Notifications with the same one are shown as a group. */
  'thread-id'?: string;
  /** Which of the app's registered categories, and so which buttons. */
  category?: string;
  /** Wakes the app in the background. */
  'content-available'?: 1;
  /** Hands the notification to the app's service extension first. */
  'mutable-content'?: 1;
  /** The window to bring forward. */
  'target-content-id'?: string;
  'interruption-level'?: 'passive' | 'active' | 'time-sensitive' | 'critical';
  /** 0 to 1: the highest is featured in the summary. */
  'relevance-score'?: number;
  /** What the system holds against the present Focus. */
  'filter-criteria'?: string;
  /** Safari: what is put into the placeholders of the site's URL. */
  'url-args'?: readonly string[];
}

/** A text to show, as it is or by the keys of the app's localized strings. */
export interface Alert {
  title?: string;
  subtitle?: string;
  body?: string;
  'launch-image'?: string;
  'title-loc-key'?: string;
  'title-loc-args'?: readonly string[];
  'subtitle-loc-key'?: string;
  'subtitle-loc-args'?: readonly string[];
  'loc-key'?: string;
  'loc-args'?: readonly string[];
  /** Safari: the label of the button. */
  action?: string;
}

/** Of a critical alert, for which an app needs Apple's entitlement. */
export interface Sound {
  critical?: 0 | 1;
  name: string;
  /** 0 to 1. */
  volume?: number;
}

/** Of a background push: it wakes the app, and the user sees and hears nothing. */
export interface BackgroundAps extends Omit<Aps, 'alert' | 'badge' | 'sound'> {
  'content-available': 1;
  alert?: never;
  badge?: never;
  sound?: never;
}

/** Of a Live Activity. */
export type LiveActivityAps = StartActivity | UpdateActivity | EndActivity;

interface AnyActivity {
  /** UNIX seconds: of two pushes the system keeps to the later one. */
  timestamp: number;
  alert?: ActivityAlert;
  sound?: string | Sound;
  /** Which of several Live Activities comes first: the highest. */
  'relevance-score'?: number;
  /** UNIX seconds from which what is shown is out of date. */
  'stale-date'?: number;
}

export interface StartActivity extends AnyActivity {
  event: 'start';
  /** What the app's `ContentState` decodes. */
  'content-state': object;
  /** The name of the app's `ActivityAttributes` type. */
  'attributes-type': string;
  /** What that type decodes. */
  attributes: object;
  /** The system starts none without one. */
  alert: ActivityAlert;
  /** The broadcast channel whose updates it takes. */
  'input-push-channel'?: string;
  /** Asks the app for a token to update it with. */
  'input-push-token'?: 1;
}

export interface UpdateActivity extends AnyActivity {
  event: 'update';
  'content-state': object;
}

export interface EndActivity extends AnyActivity {
  event: 'end';
  /** The last one. */
  'content-state'?: object;
  /** UNIX seconds at which it goes from the Lock Screen; one that has passed takes it off at once. */
  'dismissal-date'?: number;
}

export interface ActivityAlert {
  title?: string | LocalizedText;
  body?: string | LocalizedText;
  sound?: string;
}

export interface LocalizedText {
  'loc-key': string;
  'loc-args'?: readonly string[];
}

/** Of widgets and controls. */
export interface ReloadAps {
  'content-changed': true;
}
