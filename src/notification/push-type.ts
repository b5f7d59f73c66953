/** What a push type brings with it: legal priorities, topic suffix, payload limit. Source: Apple, "Sending notification requests to APNs". */

interface Rules {
  /** Legal values of `apns-priority`. */
  priorities: readonly number[];
  /** Sent where the author names none; undefined leaves it to Apple, whose default is 10. */
  defaultPriority?: number;
  /** What follows the app's topic in `apns-topic`. */
  topicSuffix: string;
  /** The largest payload, in bytes of UTF-8. */
  maxPayloadBytes: number;
}

const usual = { priorities: [10, 5, 1], topicSuffix: '', maxPayloadBytes: 4096 };

const rules = {
  alert: usual,
  background: { ...usual, priorities: [5], defaultPriority: 5 },
  complication: { ...usual, topicSuffix: '.complication' },
  controls: { ...usual, topicSuffix: '.push-type.controls' },
  fileprovider: { ...usual, topicSuffix: '.pushkit.fileprovider' },
  liveactivity: { ...usual, topicSuffix: '.push-type.liveactivity' },
  location: { ...usual, topicSuffix: '.location-query' },
  // The app's topic is the UID of the push certificate, and that is all of it.
  mdm: usual,
  pushtotalk: { ...usual, topicSuffix: '.voip-ptt' },
  voip: { ...usual, topicSuffix: '.voip', maxPayloadBytes: 5120 },
  widgets: { ...usual, topicSuffix: '.push-type.widgets' },
} satisfies Record<string, Rules>;

export type PushType = keyof typeof rules;

export const pushTypes = Object.keys(rules) as PushType[];

export function isPushType(value: unknown): value is PushType {
  return typeof value === 'string' && Object.hasOwn(rules, value);
}

export function rulesOf(pushType: PushType): Rules {
  return rules[pushType];
}

/** A payload that shows nothing, plays nothing and wakes the app is a background push; any other is an alert. */
export function inferPushType({ aps }: { aps?: unknown }): PushType {
  const { alert, badge, sound, 'content-available': wake } = Object(aps);
  const silent = alert === undefined && badge === undefined && sound === undefined;
  return silent && wake === 1 ? 'background' : 'alert';
}
