import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from '../../src/errors.js';
import { checkId, checkNotification, checkToken, maskToken } from '../../src/notification/check.js';

const payload = { aps: { alert: 'Hello' } };

function messageOf(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    return error.message;
  }
  return assert.fail('it passed');
}

test('a token is taken as people paste it, and becomes lower-case hex without spaces', () => {
  const cases: [written: string, token: string][] = [
    ['ab12', 'ab12'],
    ['AB12CDEF', 'ab12cdef'],
    ['<ab12cdef 00112233>', 'ab12cdef00112233'],
    ['  ab 12\n', 'ab12'],
    ['0'.repeat(200), '0'.repeat(200)],
  ];
  for (const [written, token] of cases) assert.equal(checkToken(written), token);
});

test('a token that is no hex is refused with no more than its last 6 characters', () => {
  const expected = 'expected pairs of hex digits';
  const cases: [token: unknown, message: string][] = [
    ['', `token … is empty, ${expected}`],
    [' <> ', `token … is empty, ${expected}`],
    ['ab1', `token …ab1 is 3 characters long, ${expected}`],
    [`${'0'.repeat(63)}`, `token …000000 is 63 characters long, ${expected}`],
    [`${'0'.repeat(62)}xy`, `token …0000xy is not all hex digits, ${expected}`],
    ['../../x1', `token …/../x1 is not all hex digits, ${expected}`],
    [undefined, 'token is undefined, expected a string of hex digits'],
    [null, 'token is null, expected a string of hex digits'],
    [12, 'token is number, expected a string of hex digits'],
    [['ab'], 'token is a list, expected a string of hex digits'],
    [Buffer.from('ab'), 'token is object, expected a string of hex digits'],
  ];
  for (const [token, message] of cases)
    assert.equal(
      messageOf(() => checkToken(token)),
      message,
    );
  assert.equal(maskToken('0123456789abcdef'), '…abcdef');
});

test('an id is a UUID of any version, and becomes lower-case', () => {
  const id = '01234567-89AB-cdef-0123-456789ABCDEF';
  assert.equal(checkId(id), id.toLowerCase());
  const wrong: [id: unknown, shown: string][] = [
    ['', '""'],
    ['0123456789abcdef0123456789abcdef', '"0123456789abcdef0123456789abcdef"'],
    [`${id} `, `"${id} "`],
    [`{${id}}`, `"{${id}}"`],
    [undefined, 'undefined'],
    [7, '7'],
    [{ toString: 1 }, 'object'],
    ['0'.repeat(64), `"${'0'.repeat(40)}"`],
  ];
  for (const [id, shown] of wrong) {
    assert.equal(
      messageOf(() => checkId(id)),
      `id is ${shown}, expected a UUID`,
    );
  }
});

test('a payload goes out as JSON says it, whatever characters it has', () => {
  const cases: [payload: object, body: string][] = [
    [{}, '{}'],
    [{ aps: { alert: 'é👋\n<&]]>"\\' } }, '{"aps":{"alert":"é👋\\n<&]]>\\"\\\\"}}'],
    [{ a: '\ud800', b: '\udc00x' }, '{"a":"\\ud800","b":"\\udc00x"}'],
    [{ a: '\0\u001f\u2028\ufffe\uffff' }, '{"a":"\\u0000\\u001f\u2028\ufffe\uffff"}'],
    [
      { a: 0, b: false, c: null, d: '', e: [], f: -0 },
      '{"a":0,"b":false,"c":null,"d":"","e":[],"f":0}',
    ],
    [{ a: undefined, b: 1 }, '{"b":1}'],
    [{ at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
    [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    [JSON.parse('{"__proto__":{"a":1},"constructor":2}'), '{"__proto__":{"a":1},"constructor":2}'],
  ];
  for (const [payload, body] of cases) assert.equal(checkNotification({ payload }).body, body);
});

test('a payload that is no object, or that JSON would change, is refused', () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  let deep: unknown = {};
  for (let i = 0; i < 20_000; i += 1) deep = [deep];
  const noObject = 'expected an object such as { aps: { alert } }';
  const cases: [payload: unknown, says: string][] = [
    [undefined, `payload is undefined, ${noObject}`],
    [null, `payload is null, ${noObject}`],
    ['{}', `payload is string, ${noObject}`],
    [[payload], `payload is a list, ${noObject}`],
    [() => payload, `payload is function, ${noObject}`],
    [new Date(), `payload is no object as JSON, ${noObject}`],
    [{ toJSON: () => undefined }, `payload is no object as JSON, ${noObject}`],
    [{ toJSON: () => [1] }, `payload is no object as JSON, ${noObject}`],
    [circular, "payload can't be written as JSON: Converting circular structure to JSON"],
    [{ deep }, "payload can't be written as JSON: Maximum call stack size exceeded"],
    [
      { a: { b: Number.NaN } },
      "payload can't be written as JSON: b is NaN, which JSON does not have",
    ],
    [{ a: [-1 / 0] }, "payload can't be written as JSON: 0 is -Infinity, which JSON does not have"],
    [{ n: 10n }, "payload can't be written as JSON: n is a bigint, which JSON does not have"],
    [{ f: () => 1 }, "payload can't be written as JSON: f is a function, which JSON does not have"],
    [
      { s: Symbol('s') },
      "payload can't be written as JSON: s is a symbol, which JSON does not have",
    ],
    [
      {
        get a() {
          throw new Error('no\nnever');
        },
      },
      "payload can't be written as JSON: no",
    ],
  ];
  for (const [payload, says] of cases) {
    assert.equal(
      messageOf(() => checkNotification({ payload })),
      says,
    );
  }
});

test('a payload may be 4,096 bytes long, of UTF-8 and not of characters', () => {
  const ofLength = (bytes: number, filler: string) => {
    const empty = JSON.stringify({ aps: { alert: '' } }).length;
    const count = (bytes - empty) / Buffer.byteLength(filler);
    return { aps: { alert: filler.repeat(count) } };
  };
  assert.equal(Buffer.byteLength(checkNotification({ payload: ofLength(4096, 'a') }).body), 4096);
  const says = 'expected at most 4096 for push type alert';
  assert.equal(
    messageOf(() => checkNotification({ payload: ofLength(4097, 'a') })),
    `payload is 4097 bytes, ${says}`,
  );
  assert.match(
    messageOf(() => checkNotification({ payload: ofLength(4098, 'é') })),
    /4098 bytes/,
  );
  // A lone surrogate is escaped: 6 bytes.
  assert.match(
    messageOf(() => checkNotification({ payload: { a: '\ud800'.repeat(1000) } })),
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
      messageOf(() => checkNotification({ payload, pushType })),
      /^pushType is .+, expected alert or background$/,
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
      messageOf(() => checkNotification({ payload, priority })),
      /^priority is .+, expected 10, 5, 1 for push type alert$/,
    );
  }
  for (const priority of [10, 1]) {
    assert.equal(
      messageOf(() => checkNotification({ payload: background, priority })),
      `priority is ${priority}, expected 5 for push type background`,
    );
  }
});

test('an expiration is a Date or 0, which is told apart from none', () => {
  assert.ok(!('expiration' in checkNotification({ payload })));
  assert.equal(checkNotification({ payload, expiration: 0 }).expiration, 0);
  const expiration = new Date('2030-01-01T00:00:00.999Z');
  assert.equal(checkNotification({ payload, expiration }).expiration, 1_893_456_000);
  const wrong: [expiration: unknown, shown: string][] = [
    [1, '1'],
    [1_893_456_000, '1893456000'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    ['0', '"0"'],
    [null, 'null'],
    [{}, 'object'],
    [new Date(Number.NaN), 'an invalid Date'],
  ];
  for (const [expiration, shown] of wrong) {
    assert.equal(
      messageOf(() => checkNotification({ payload, expiration })),
      `expiration is ${shown}, expected a Date, or 0 for "try once, don't store"`,
    );
  }
});

test('a topic is a bundle id of visible ASCII', () => {
  const topic = 'com.example.app.voip';
  assert.equal(checkNotification({ payload, topic }).topic, topic);
  for (const topic of ['', 'a b', 'a\r\nb: c', 'é', 1, null]) {
    assert.match(
      messageOf(() => checkNotification({ payload, topic })),
      /^topic is .+, expected a bundle id$/,
    );
  }
});

test('one error tells all that is wrong', () => {
  const notification = {
    payload: 'text',
    pushType: 'loud',
    topic: ' ',
    priority: 11,
    expiration: 3600,
    badge: 1,
    sound: 'default',
  };
  const fields = 'expected payload, pushType, topic, priority, expiration, id';
  assert.deepEqual(messageOf(() => checkNotification(notification)).split('; '), [
    `badge is no field of a notification, ${fields}`,
    `sound is no field of a notification, ${fields}`,
    'payload is string, expected an object such as { aps: { alert } }',
    'pushType is "loud", expected alert or background',
    'priority is 11, expected 10, 5, 1 for push type alert',
    'topic is " ", expected a bundle id',
    'expiration is 3600, expected a Date, or 0 for "try once, don\'t store"',
  ]);
});
