/** What a push type brings with it: legal priorities, topic suffix, payload limit. Source: Apple, "Sending notification requests to APNs". */

interface Rules {
  /** Legal values of `apns-priority`. */
  priorities: readonly number[];
  /** Sent where the author names none; undefined leaves it to Apple, whose default is 10. */
  defaultPriority?: number;
  /** What follows the bundle id in `apns-topic`. */
  topicSuffix: string;
  /** The largest payload, in bytes of UTF-8. */
  maxPayloadBytes: number;
}

const rules = {
  alert: { priorities: [10, 5, 1], topicSuffix: '', maxPayloadBytes: 4096 },
  background: { priorities: [5], defaultPriority: 5, topicSuffix: '', maxPayloadBytes: 4096 },
} as const satisfies Record<string, Rules>;

export type PushType = keyof typeof rules;

export const pushTypes = Object.keys(rules) as PushType[];

export function isPushType(value: unknown): value is PushType {
  return typeof value === 'string' && Object.hasOwn(rules, value);
}

export function rulesOf(pushType: PushType): Rules {
  return rules[pushType];
}

/** A payload that shows nothing, plays nothing and wakes the app is a background push; any other is an alert. */
export function inferPushType(payload: object): PushType {
  const aps: unknown = Reflect.get(payload, 'aps');
  if (typeof aps !== 'object' || aps === null) return 'alert';
  const silent = ['alert', 'badge', 'sound'].every((name) => Reflect.get(aps, name) === undefined);
  return silent && Reflect.get(aps, 'content-available') === 1 ? 'background' : 'alert';
}
