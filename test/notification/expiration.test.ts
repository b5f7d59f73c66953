import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiredError } from '../../src/errors.js';
import { checkNotification } from '../../src/notification/check.js';
import { expired } from '../../src/notification/expiration.js';
import { refusalOf } from '../support/refusal.js';

const payload = { aps: { alert: 'Hello' } };

test('an expiration is a Date, to the millisecond, or 0, which is told apart from none', () => {
  assert.equal(checkNotification({ payload }).expiration, undefined);
  assert.equal(checkNotification({ payload, expiration: 0 }).expiration, 0);
  const expiration = new Date('2100-01-01T00:00:00.999Z');
  assert.equal(checkNotification({ payload, expiration }).expiration, 4_102_444_800.999);
});

test('any other expiration is refused, and told both that may be', () => {
  const wrong: [expiration: unknown, shown: string][] = [
    [1, '1'],
    [4_102_444_800, '4102444800'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    ['0', '"0"'],
    [null, 'null'],
    [{}, 'object'],
    [new Date(Number.NaN), 'an invalid Date'],
  ];
  for (const [expiration, shown] of wrong) {
    assert.equal(
      refusalOf(() => checkNotification({ payload, expiration })),
      `expiration is ${shown}, expected a Date, or 0 for "try once, don't store"`,
    );
  }
});

test('a Date that has passed is an ExpiredError that names it, the first of 1970 too', () => {
  const cases: [expiration: Date, shown: string][] = [
    [new Date(1_700_000_000_123), '2023-11-14T22:13:20.123Z'],
    [new Date(-1000), '1969-12-31T23:59:59.000Z'],
    [new Date(0), '1970-01-01T00:00:00.001Z'],
  ];
  for (const [expiration, shown] of cases) {
    assert.throws(
      () => checkNotification({ payload, expiration }),
      (error: unknown) => {
        assert.ok(error instanceof ExpiredError);
        assert.equal(error.code, 'EXPIRED');
        assert.equal(error.retriable, false);
        assert.equal(error.message, `expiration is ${shown}, expected a time that has not passed`);
        return true;
      },
    );
  }
});

test('what is wrong is told before what has passed', () => {
  const expiration = new Date(0);
  assert.match(
    refusalOf(() => checkNotification({ payload, expiration, priority: 7 })),
    /^priority is 7/,
  );
});

test('neither 0 nor none ever passes, and a Date passes at its own millisecond', () => {
  assert.equal(expired(undefined), undefined);
  assert.equal(expired(0), undefined);
  assert.equal(expired((Date.now() + 60_000) / 1000), undefined);
  assert.ok(expired(Date.now() / 1000) instanceof ExpiredError);
});
