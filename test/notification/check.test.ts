import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkId } from '../../src/notification/address.js';
import { checkAddressed, checkNotification } from '../../src/notification/check.js';
import { refusalOf } from '../support/refusal.js';

const payload = { aps: { alert: 'Hello' } };

test('a payload may be 4,096 bytes long, of UTF-8 and not of characters', () => {
  const ofLength = (bytes: number, filler: string) => {
    const empty = JSON.stringify({ aps: { alert: '' } }).length;
    const count = (bytes - empty) / Buffer.byteLength(filler);
    return { aps: { alert: filler.repeat(count) } };
  };
  assert.equal(Buffer.byteLength(checkNotification({ payload: ofLength(4096, 'a') }).body), 4096);
  const says = 'expected at most 4096 for push type alert';
  assert.equal(
    refusalOf(() => checkNotification({ payload: ofLength(4097, 'a') })),
    `payload is 4097 bytes, ${says}`,
  );
  assert.match(
    refusalOf(() => checkNotification({ payload: ofLength(4098, 'é') })),
    /4098 bytes/,
  );
  // A lone surrogate is escaped: 6 bytes.
  assert.match(
    refusalOf(() => checkNotification({ payload: { a: '\ud800'.repeat(1000) } })),
    /^payload is 6008 bytes/,
  );
});

test('the push type is background for what only wakes the app, else alert, unless the author says', () => {
  const wake = { 'content-available': 1 };
  const cases: [payload: object, pushType: string][] = [
    [{ aps: wake }, 'background'],
    [{ aps: { ...wake, category: 'c' }, orderId: 7 }, 'background'],
    [{ aps: { ...wake, alert: 'a' } }, 'alert'],
    [{ aps: { ...wake, badge: 0 } }, 'alert'],
    [{ aps: { ...wake, sound: 'default' } }, 'alert'],
    [{ aps: { 'content-available': 0 } }, 'alert'],
    [{ aps: {} }, 'alert'],
    [{ aps: null }, 'alert'],
    [{ aps: 'x' }, 'alert'],
    [{}, 'alert'],
  ];
  for (const [payload, pushType] of cases) {
    assert.equal(checkNotification({ payload }).pushType, pushType, JSON.stringify(payload));
  }
  assert.equal(checkNotification({ payload: { aps: wake }, pushType: 'alert' }).pushType, 'alert');
  for (const pushType of ['Alert', '', 'toString', '__proto__', 1, null]) {
    assert.match(
      refusalOf(() => checkNotification({ payload, pushType })),
      /^pushType is .+, expected one of alert, background, complication, .*, voip, widgets$/,
    );
  }
});

test('a priority is one of those that the push type allows, and is made up only where Apple wants it', () => {
  const background = { aps: { 'content-available': 1 } };
  assert.equal(checkNotification({ payload }).priority, undefined);
  assert.equal(checkNotification({ payload: background }).priority, 5);
  for (const priority of [10, 5, 1]) {
    assert.equal(checkNotification({ payload, priority }).priority, priority);
  }
  for (const priority of [0, 7, '10', null, true]) {
    assert.match(
      refusalOf(() => checkNotification({ payload, priority })),
      /^priority is .+, expected 10, 5, 1 for push type alert$/,
    );
  }
  for (const priority of [10, 1]) {
    assert.equal(
      refusalOf(() => checkNotification({ payload: background, priority })),
      `priority is ${priority}, expected 5 for push type background`,
    );
  }
});

test('a topic is a bundle id of visible ASCII', () => {
  const topic = 'com.example.app.voip';
  assert.equal(checkNotification({ payload, topic }).topic, topic);
  for (const topic of ['', 'a b', 'a\r\nb: c', 'é', 1, null]) {
    assert.match(
      refusalOf(() => checkNotification({ payload, topic })),
      /^topic is .+, expected a bundle id$/,
    );
  }
  assert.equal(checkNotification({ payload, topic: 'a'.repeat(255) }).topic?.length, 255);
  assert.equal(
    refusalOf(() => checkNotification({ payload, topic: 'a'.repeat(256) })),
    'topic is 256 characters long, expected at most 255',
  );
});

test('each push type has its payload limit', () => {
  for (const pushType of ['alert', 'complication', 'fileprovider', 'location', 'pushtotalk']) {
    const message = refusalOf(() => checkNotification({ payload: filled(4097), pushType }));
    assert.equal(message, `payload is 4097 bytes, expected at most 4096 for push type ${pushType}`);
  }
  assert.equal(checkNotification({ payload: filled(5120), pushType: 'voip' }).body.length, 5120);
  assert.equal(
    refusalOf(() => checkNotification({ payload: filled(5121), pushType: 'voip' })),
    'payload is 5121 bytes, expected at most 5120 for push type voip',
  );
});

function filled(bytes: number): object {
  return { filler: 'x'.repeat(bytes - JSON.stringify({ filler: '' }).length) };
}

test('a collapse id is up to 64 bytes of text, and null is told apart from none', () => {
  assert.equal(checkNotification({ payload }).collapseId, undefined);
  assert.equal(checkNotification({ payload, collapseId: undefined }).collapseId, undefined);
  for (const collapseId of [null, 'a', 'score 1:0', 'é'.repeat(32), '👋', 'c'.repeat(64)]) {
    assert.equal(checkNotification({ payload, collapseId }).collapseId, collapseId);
  }
  const wrong: [collapseId: unknown, shown: string][] = [
    ['', '""'],
    ['c'.repeat(65), '65 bytes'],
    ['é'.repeat(33), '66 bytes'],
    ['a\nb', '"a\\nb"'],
    ['a\0', '"a\\u0000"'],
    [' a', '" a"'],
    ['a ', '"a "'],
    ['\ud800', '"\\ud800"'],
    [7, '7'],
    [['a'], 'a list'],
  ];
  for (const [collapseId, shown] of wrong) {
    assert.equal(
      refusalOf(() => checkNotification({ payload, collapseId })),
      `collapseId is ${shown}, expected text of 1 to 64 bytes, or null`,
    );
  }
});

test("what an .apns file tells Apple's simulator is not sent, and does not count as bytes", () => {
  const target = { 'Simulator Target Bundle': 'com.example.other' };
  assert.equal(
    checkNotification({ payload: { ...target, ...payload } }).body,
    JSON.stringify(payload),
  );
  const full = filled(4096);
  assert.equal(checkNotification({ payload: { ...target, ...full } }).body, JSON.stringify(full));
  const own = JSON.parse('{"Simulator Target Bundle":"b","__proto__":{"a":1}}');
  assert.equal(checkNotification({ payload: own }).body, '{"__proto__":{"a":1}}');
  assert.deepEqual(Object.keys(own), ['Simulator Target Bundle', '__proto__']);
});

test('one error tells all that is wrong', () => {
  const notification = {
    payload: { aps: { 'content-available': 1 }, a: Number.NaN, b: 1n },
    pushType: 'loud',
    topic: ' ',
    priority: 11,
    expiration: 3600,
    collapseId: '',
    id: 'first',
    badge: 1,
    sound: 'default',
  };
  const fields = 'expected payload, pushType, topic, priority, expiration, collapseId, id';
  const types =
    'alert, background, complication, controls, fileprovider, liveactivity, location, mdm, pushtotalk, voip, widgets';
  const reasons = [
    `badge is no field of a notification, ${fields}`,
    `sound is no field of a notification, ${fields}`,
    `pushType is "loud", expected one of ${types}`,
    'payload.a is NaN, which JSON does not have',
    'payload.b is a bigint, which JSON does not have',
    'priority is 11, expected 5 for push type background',
    'topic is " ", expected a bundle id',
    'expiration is 3600, expected a Date, or 0 for "try once, don\'t store"',
    'collapseId is "", expected text of 1 to 64 bytes, or null',
  ];
  assert.deepEqual(refusalOf(() => checkNotification(notification)).split('; '), reasons);
  assert.deepEqual(
    refusalOf(() => checkAddressed('abc', notification, ['badge is x'])).split('; '),
    [
      'badge is x',
      'token …abc is 3 characters long, expected pairs of hex digits',
      'id is "first", expected a UUID',
      ...reasons,
    ],
  );
});

test("an addressed notification has an id, which is the author's where there is one", () => {
  const { token, id, notification } = checkAddressed('<AB 12>', { payload });
  assert.equal(token, 'ab12');
  assert.equal(checkId(id), id);
  assert.deepEqual(notification, checkNotification({ payload }));
  assert.notEqual(checkAddressed('ab12', { payload }).id, id);
  const own = '01234567-89AB-cdef-0123-456789ABCDEF';
  assert.equal(checkAddressed('ab12', { payload, id: own }).id, own.toLowerCase());
});
