/** What Apple demands of a payload by its push type. Sources: Apple, "Pushing background updates to your App", "Starting and updating Live Activities with ActivityKit push notifications", "Updating widgets with WidgetKit push notifications", "Updating controls locally and remotely", "Sending push notifications to devices" (MDM). */
import type { PushType } from './push-type.js';
import { show } from './show.js';

interface Requirement {
  /** Of `aps` where the name begins so. */
  name: string;
  expected: string;
  holds: (value: unknown) => boolean;
}

const absent = (name: string): Requirement => ({
  name,
  expected: 'none',
  holds: (value) => value === undefined,
});

const exactly = (name: string, expected: unknown): Requirement => ({
  name,
  expected: String(expected),
  holds: (value) => value === expected,
});

const text = (name: string): Requirement => ({
  name,
  expected: 'a string',
  holds: (value) => typeof value === 'string' && value !== '',
});

const object = (name: string): Requirement => ({
  name,
  expected: 'an object',
  holds: (value) => typeof value === 'object' && value !== null,
});

/** Milliseconds, as JavaScript counts, would be a date some fifty thousand years ahead. */
const isSeconds = (value: unknown) => typeof value === 'number' && value >= 0 && value < 1e11;

const seconds = (name: string): Requirement => ({
  name,
  expected: 'UNIX seconds',
  holds: isSeconds,
});

const secondsIfAny = (name: string): Requirement => ({
  ...seconds(name),
  holds: (value) => value === undefined || isSeconds(value),
});

/** Of a Live Activity, by `aps.event`. */
const events: Readonly<Record<string, readonly Requirement[]>> = {
  start: [
    object('aps.content-state'),
    text('aps.attributes-type'),
    object('aps.attributes'),
    object('aps.alert'),
  ],
  update: [object('aps.content-state')],
  end: [secondsIfAny('aps.dismissal-date')],
};

const requirements: Partial<Record<PushType, readonly Requirement[]>> = {
  background: [
    exactly('aps.content-available', 1),
    absent('aps.alert'),
    absent('aps.badge'),
    absent('aps.sound'),
  ],
  controls: [exactly('aps.content-changed', true)],
  liveactivity: [
    {
      name: 'aps.event',
      expected: 'start, update or end',
      holds: (event) => typeof event === 'string' && Object.hasOwn(events, event),
    },
    seconds('aps.timestamp'),
    secondsIfAny('aps.stale-date'),
  ],
  mdm: [text('mdm'), absent('aps')],
  widgets: [exactly('aps.content-changed', true)],
};

/** Adds what does not hold to what is wrong. */
export function checkRequirements(pushType: PushType, payload: object, wrong: string[]): void {
  demand(requirements[pushType], payload, `push type ${pushType}`, wrong);
  if (pushType !== 'liveactivity') return;
  const { event } = Object(Reflect.get(payload, 'aps'));
  if (typeof event === 'string' && Object.hasOwn(events, event)) {
    demand(events[event], payload, `event ${event}`, wrong);
  }
}

function demand(
  all: readonly Requirement[] | undefined,
  payload: object,
  whom: string,
  wrong: string[],
): void {
  if (!all) return;
  for (const { name, expected, holds } of all) {
    const value = name.split('.').reduce<unknown>((within, part) => Object(within)[part], payload);
    if (!holds(value))
      wrong.push(`payload.${name} is ${show(value)}, expected ${expected} for ${whom}`);
  }
}
