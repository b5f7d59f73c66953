import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNotification } from '../../src/notification/check.js';
import { refusalOf } from '../support/refusal.js';

const timestamp = 1_893_456_000;
const state = { score: 3 };
const start = {
  timestamp,
  event: 'start',
  'content-state': state,
  'attributes-type': 'Match',
  attributes: {},
  alert: { title: 'It begins' },
};

test('a payload that has what its push type demands passes', () => {
  const cases: [pushType: string, payload: object][] = [
    ['alert', {}],
    ['background', { aps: { 'content-available': 1, category: 'c' }, orderId: 7 }],
    ['complication', {}],
    ['controls', { aps: { 'content-changed': true } }],
    ['fileprovider', { 'container-identifier': 'c' }],
    ['liveactivity', { aps: start }],
    ['liveactivity', { aps: { timestamp, event: 'update', 'content-state': state } }],
    ['liveactivity', { aps: { timestamp, event: 'end', 'dismissal-date': 0 } }],
    ['location', {}],
    ['mdm', { mdm: 'magic' }],
    ['pushtotalk', { aps: {}, speaker: 'Ann' }],
    ['voip', { call: 1 }],
    ['widgets', { aps: { 'content-changed': true } }],
  ];
  for (const [pushType, payload] of cases) {
    assert.equal(checkNotification({ pushType, payload }).pushType, pushType);
  }
});

test('a payload that contradicts its push type is refused with every reason', () => {
  const background = 'for push type background';
  const seconds = 'expected UNIX seconds for push type liveactivity';
  const cases: [pushType: string, payload: object, reasons: string[]][] = [
    ['background', {}, [`payload.aps.content-available is undefined, expected 1 ${background}`]],
    [
      'background',
      { aps: { 'content-available': true, alert: 'a', badge: 0, sound: null } },
      [
        `payload.aps.content-available is true, expected 1 ${background}`,
        `payload.aps.alert is "a", expected none ${background}`,
        `payload.aps.badge is 0, expected none ${background}`,
        `payload.aps.sound is null, expected none ${background}`,
      ],
    ],
    [
      'controls',
      { aps: { 'content-changed': 1 } },
      ['payload.aps.content-changed is 1, expected true for push type controls'],
    ],
    [
      'widgets',
      { aps: null },
      ['payload.aps.content-changed is undefined, expected true for push type widgets'],
    ],
    ['mdm', { mdm: '' }, ['payload.mdm is "", expected a string for push type mdm']],
    [
      'mdm',
      { aps: {} },
      [
        'payload.mdm is undefined, expected a string for push type mdm',
        'payload.aps is object, expected none for push type mdm',
      ],
    ],
    [
      'liveactivity',
      { aps: {} },
      [
        'payload.aps.event is undefined, expected start, update or end for push type liveactivity',
        `payload.aps.timestamp is undefined, ${seconds}`,
      ],
    ],
    [
      'liveactivity',
      { aps: { event: 'toString', timestamp: new Date(0), 'stale-date': timestamp * 1000 } },
      [
        'payload.aps.event is "toString", expected start, update or end for push type liveactivity',
        `payload.aps.timestamp is object, ${seconds}`,
        `payload.aps.stale-date is ${timestamp * 1000}, ${seconds}`,
      ],
    ],
    [
      'liveactivity',
      { aps: { event: Object.create(null), timestamp } },
      ['payload.aps.event is object, expected start, update or end for push type liveactivity'],
    ],
    [
      'liveactivity',
      { aps: { event: 'start', timestamp } },
      [
        'payload.aps.content-state is undefined, expected an object for event start',
        'payload.aps.attributes-type is undefined, expected a string for event start',
        'payload.aps.attributes is undefined, expected an object for event start',
        'payload.aps.alert is undefined, expected an object for event start',
      ],
    ],
    [
      'liveactivity',
      { aps: { event: 'update', timestamp } },
      ['payload.aps.content-state is undefined, expected an object for event update'],
    ],
    [
      'liveactivity',
      { aps: { event: 'end', timestamp, 'dismissal-date': 'now' } },
      ['payload.aps.dismissal-date is "now", expected UNIX seconds for event end'],
    ],
  ];
  for (const [pushType, payload, reasons] of cases) {
    const refusal = refusalOf(() => checkNotification({ pushType, payload }));
    assert.deepEqual(refusal.split('; '), reasons);
  }
});
