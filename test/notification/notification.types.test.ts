/** What must compile, and what must not: judged by `npm run check`, where a needless `@ts-expect-error` is an error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError, type Notification, type PushType } from '../../src/index.js';
import { checkNotification } from '../../src/notification/check.js';
import { pushTypes } from '../../src/notification/push-type.js';

const alert = { aps: { alert: 'Hello' } };
const wake = { aps: { 'content-available': 1 } } as const;
const timestamp = 1_893_456_000;
const state = { score: [1, 0] };

interface Order {
  id: number;
  at: Date;
}
const order: Order = { id: 7, at: new Date(0) };

const compiles: Notification[] = [
  { payload: alert },
  { payload: { ...alert, order, tags: ['a', null], note: undefined } },
  {
    payload: alert,
    pushType: 'alert',
    priority: 1,
    topic: 'com.example.app',
    id: crypto.randomUUID(),
  },
  { payload: alert, expiration: 0, collapseId: 'score' },
  { payload: alert, expiration: new Date('2100-01-01'), collapseId: null },
  {
    payload: {
      aps: {
        alert: {
          title: 'Title',
          subtitle: 'Subtitle',
          body: 'Body',
          'launch-image': 'image.png',
          'title-loc-key': 'TITLE',
          'title-loc-args': ['a'],
          'subtitle-loc-key': 'SUBTITLE',
          'subtitle-loc-args': ['b'],
          'loc-key': 'BODY',
          'loc-args': ['c'],
        },
        badge: 0,
        sound: { critical: 1, name: 'alarm.caf', volume: 0.5 },
        'thread-id': 'thread',
        category: 'ORDER',
        'content-available': 1,
        'mutable-content': 1,
        'target-content-id': 'window',
        'interruption-level': 'time-sensitive',
        'relevance-score': 0.5,
        'filter-criteria': 'work',
        'url-args': ['flight', '7'],
      },
    },
  },
  { payload: { 'Simulator Target Bundle': 'com.example.app', ...alert } },
  // As it comes from a file, or from another author's hands.
  { payload: JSON.parse('{"aps":{"alert":"Hello"}}') },
  { payload: wake },
  { payload: { ...wake, orderId: 7 }, pushType: 'background', priority: 5 },
  {
    pushType: 'liveactivity',
    payload: {
      aps: {
        timestamp,
        event: 'start',
        'content-state': state,
        'attributes-type': 'Match',
        attributes: { home: 'A', away: 'B' },
        alert: { title: { 'loc-key': '%@ plays', 'loc-args': ['A'] }, body: 'Now', sound: 'a.caf' },
        'stale-date': timestamp + 60,
        'relevance-score': 75,
        'input-push-channel': 'channel',
        'input-push-token': 1,
      },
    },
  },
  {
    pushType: 'liveactivity',
    priority: 10,
    payload: {
      aps: { timestamp, event: 'update', 'content-state': state, alert: { title: '1:0' } },
    },
  },
  {
    pushType: 'liveactivity',
    payload: { aps: { timestamp, event: 'end', 'dismissal-date': timestamp } },
  },
  { pushType: 'mdm', payload: { mdm: 'magic' } },
  { pushType: 'widgets', payload: { aps: { 'content-changed': true } } },
  { pushType: 'controls', payload: { aps: { 'content-changed': true } } },
  { pushType: 'complication', payload: { steps: 7 } },
  { pushType: 'fileprovider', payload: { 'container-identifier': 'root', domain: 'd' } },
  { pushType: 'location', payload: {} },
  { pushType: 'pushtotalk', payload: { aps: {}, speaker: 'Ann' }, expiration: 0 },
  { pushType: 'voip', payload: { call: 1, ...alert } },
];

test('what compiles passes the checks, and all push types can be written', () => {
  for (const notification of compiles) checkNotification(notification);
  const written = new Set<PushType | undefined>(compiles.map(({ pushType }) => pushType));
  assert.deepEqual(
    pushTypes.filter((pushType) => !written.has(pushType)),
    [],
  );
});

/** Refused by the checks as well, since JavaScript has no types. */
const refused: Notification[] = [
  // @ts-expect-error the payload is missing
  {},
  // @ts-expect-error what stands beside the payload is no part of it
  { payload: alert, orderId: 7 },
  // @ts-expect-error a priority in words
  { payload: alert, priority: 'high' },
  // @ts-expect-error a priority that there is not
  { payload: alert, priority: 7 },
  // @ts-expect-error seconds would be mistaken for milliseconds, or the other way round
  { payload: alert, expiration: 1_893_456_000 },
  // @ts-expect-error a push type that there is not
  { payload: alert, pushType: 'silent' },
  // @ts-expect-error a collapse id is text
  { payload: alert, collapseId: 7 },
  // @ts-expect-error a background push takes priority 5 only
  { payload: wake, pushType: 'background', priority: 10 },
  // @ts-expect-error a background push shows nothing
  { payload: { aps: { 'content-available': 1, alert: 'Hello' } }, pushType: 'background' },
  // @ts-expect-error a background push wakes the app
  { payload: { aps: {} }, pushType: 'background' },
  // @ts-expect-error a Live Activity is started, updated or ended
  { payload: { aps: { timestamp, 'content-state': state } }, pushType: 'liveactivity' },
  // @ts-expect-error an update brings the new state
  { payload: { aps: { timestamp, event: 'update' } }, pushType: 'liveactivity' },
  {
    pushType: 'liveactivity',
    payload: {
      // @ts-expect-error a Date would be written as text, where the system wants UNIX seconds
      aps: { timestamp: new Date(), event: 'update', 'content-state': state },
    },
  },
  {
    pushType: 'liveactivity',
    // @ts-expect-error what starts has attributes and an alert
    payload: { aps: { timestamp, event: 'start', 'content-state': state } },
  },
  // @ts-expect-error MDM has no aps
  { payload: { mdm: 'magic', aps: {} }, pushType: 'mdm' },
  // @ts-expect-error MDM wants the PushMagic
  { payload: {}, pushType: 'mdm' },
  // @ts-expect-error a widget is told that its content has changed
  { payload: alert, pushType: 'widgets' },
];

test('what must not compile is refused without types, too', () => {
  for (const notification of refused) {
    assert.throws(() => checkNotification(notification), InvalidArgumentError);
  }
});

/** Apple's devices ignore these in silence: only the types can tell. */
export const ignored: Notification[] = [
  // @ts-expect-error the alert stands in aps
  { payload: { alert: 'Hello' } },
  // @ts-expect-error a key that is spelled wrong
  { payload: { aps: { alert: 'Hello', threadId: 'a' } } },
  // @ts-expect-error a badge is a number
  { payload: { aps: { badge: '3' } } },
  // @ts-expect-error content-available is 1 or absent
  { payload: { aps: { 'content-available': true } } },
  // @ts-expect-error a level that there is not
  { payload: { aps: { alert: 'Hello', 'interruption-level': 'urgent' } } },
  // @ts-expect-error a critical sound has a name
  { payload: { aps: { sound: { critical: 1 } } } },
  // @ts-expect-error arguments are texts
  { payload: { aps: { alert: { 'loc-key': 'BODY', 'loc-args': [7] } } } },
  // @ts-expect-error a Live Activity's keys need its push type
  { payload: { aps: { timestamp, event: 'update', 'content-state': state } } },
  // @ts-expect-error PushMagic needs its push type
  { payload: { mdm: 'magic' } },
];
