import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { checkNotification } from '../../src/notification/check.js';
import { encodePayload } from '../../src/notification/encode.js';
import { refusalOf } from '../support/refusal.js';

/** What is wrong with a payload, each reason by itself. */
function reasonsOf(payload: unknown): string[] {
  return refusalOf(() => checkNotification({ payload })).split('; ');
}

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
    [JSON.parse('{"__proto__":{"a":1},"constructor":2}'), '{"__proto__":{"a":1},"constructor":2}'],
  ];
  for (const [payload, body] of cases) assert.equal(checkNotification({ payload }).body, body);
});

test('members that are undefined are left out, dates are ISO text, and objects write themselves', () => {
  class Order {
    readonly id = 7;
    readonly at = new Date(0);
  }
  class Money {
    toJSON() {
      return { cents: 5, currency: undefined };
    }
  }
  const cases: [payload: object, body: string][] = [
    [{ a: undefined, b: { c: undefined } }, '{"b":{}}'],
    [
      { at: new Date(0), all: [new Date(1)] },
      JSON.stringify({ at: new Date(0), all: [new Date(1)] }),
    ],
    [{ order: new Order() }, '{"order":{"id":7,"at":"1970-01-01T00:00:00.000Z"}}'],
    [{ url: new URL('https://a.b/') }, '{"url":"https://a.b/"}'],
    [{ price: [new Money()] }, '{"price":[{"cents":5}]}'],
    [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    [
      runInNewContext('({ a: { b: [1, new Date(0)] } })'),
      '{"a":{"b":[1,"1970-01-01T00:00:00.000Z"]}}',
    ],
  ];
  for (const [payload, body] of cases) assert.equal(checkNotification({ payload }).body, body);
});

test('what JSON would lose or change in silence is refused, each with the place where it stands', () => {
  const notInJson = 'which JSON does not have';
  const invalid = new Date(Number.NaN);
  const noValue = 'expected a value that JSON has';
  const cases: [payload: object, reasons: string[]][] = [
    [{ a: { b: Number.NaN } }, [`payload.a.b is NaN, ${notInJson}`]],
    [{ a: [[-1 / 0]] }, [`payload.a[0][0] is -Infinity, ${notInJson}`]],
    [{ a: [1, undefined] }, [`payload.a[1] is undefined, ${notInJson}`]],
    [{ a: new Array(1) }, [`payload.a[0] is undefined, ${notInJson}`]],
    [{ n: 10n }, [`payload.n is a bigint, ${notInJson}`]],
    [{ f: () => 1 }, [`payload.f is a function, ${notInJson}`]],
    [{ aps: { toJSON: () => 1 } }, [`payload.aps.toJSON is a function, ${notInJson}`]],
    [{ s: Symbol('s') }, [`payload.s is a symbol, ${notInJson}`]],
    [{ m: new Map([[1, 2]]) }, [`payload.m is an object of kind Map, ${notInJson}`]],
    [{ s: [new Set([1])] }, [`payload.s[0] is an object of kind Set, ${notInJson}`]],
    [{ e: new Error('no') }, [`payload.e is an object of kind Error, ${notInJson}`]],
    [{ p: Promise.resolve(1) }, [`payload.p is an object of kind Promise, ${notInJson}`]],
    [{ b: Buffer.from('b') }, [`payload.b is an object of kind Uint8Array, ${notInJson}`]],
    [{ at: invalid }, [`payload.at is an invalid Date, ${noValue}`]],
    [{ a: [{ at: invalid }] }, [`payload.a[0].at is an invalid Date, ${noValue}`]],
    [runInNewContext('({ at: new Date(NaN) })'), [`payload.at is an invalid Date, ${noValue}`]],
    [
      new (class {
        a = { b: 1n };
      })(),
      [`payload.a.b is a bigint, ${notInJson}`],
    ],
    [
      {
        at: new (class {
          toJSON() {}
        })(),
      },
      [`payload.at is an object whose toJSON gives undefined, ${noValue}`],
    ],
    [
      {
        at: new (class {
          toJSON = undefined;
          n = 1n;
        })(),
      },
      [`payload.at.n is a bigint, ${notInJson}`],
    ],
    [
      {
        a: new (class {
          toJSON() {
            return { n: Number.NaN };
          }
        })(),
      },
      [`payload.a.n is NaN, ${notInJson}`],
    ],
    [
      { a: Number.NaN, b: { c: 1n }, d: [() => 1] },
      [
        `payload.a is NaN, ${notInJson}`,
        `payload.b.c is a bigint, ${notInJson}`,
        `payload.d[0] is a function, ${notInJson}`,
      ],
    ],
  ];
  for (const [payload, reasons] of cases) assert.deepEqual(reasonsOf(payload), reasons);
});

test('a payload that is no object, or can not be written at all, is refused', () => {
  const circular: Record<string, unknown> = {};
  circular.self = [circular];
  let deep: unknown = {};
  for (let i = 0; i < 20_000; i += 1) deep = [deep];
  const noObject = 'expected an object such as { aps: { alert } }';
  const unwritten = "payload can't be written as JSON";
  const throwing = (reason: unknown) => ({
    get a() {
      throw reason;
    },
  });
  const cases: [payload: unknown, reason: string][] = [
    [undefined, `payload is undefined, ${noObject}`],
    [null, `payload is null, ${noObject}`],
    ['{}', `payload is string, ${noObject}`],
    [[{}], `payload is a list, ${noObject}`],
    [() => ({}), `payload is function, ${noObject}`],
    [new Date(), `payload is an object with a toJSON, ${noObject}`],
    [{ toJSON: () => ({}) }, `payload is an object with a toJSON, ${noObject}`],
    [new Map(), 'payload is an object of kind Map, which JSON does not have'],
    [circular, `${unwritten}: it contains itself, or is nested more than 500 deep`],
    [{ deep }, `${unwritten}: it contains itself, or is nested more than 500 deep`],
    [throwing(new Error('no\nnever')), `${unwritten}: no`],
    [throwing('thrown text'), `${unwritten}: thrown text`],
  ];
  for (const [payload, reason] of cases) assert.deepEqual(reasonsOf(payload), [reason]);
});

test('whatever passes is read again as it was written, but for what is undefined', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything({ withDate: true })), (payload) => {
      const wrong: string[] = [];
      const body = encodePayload(payload, wrong);
      assert.equal(body === '', wrong.length > 0);
      if (body !== '') assert.equal(body, JSON.stringify(payload));
    }),
    { numRuns: 300 },
  );
});

test('all that JSON.parse gives passes, and is written once', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (written) => {
      const payload = JSON.parse(JSON.stringify(written));
      const wrong: string[] = [];
      assert.equal(encodePayload(payload, wrong), JSON.stringify(payload));
      assert.deepEqual(wrong, []);
    }),
    { numRuns: 300 },
  );
});
