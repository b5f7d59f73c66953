import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkId, checkToken, maskToken } from '../../src/notification/address.js';
import { refusalOf } from '../support/refusal.js';

test('a token is taken as people paste it, and becomes lower-case hex without spaces', () => {
  const cases: [written: string, token: string][] = [
    ['ab12', 'ab12'],
    ['AB12CDEF', 'ab12cdef'],
    ['<ab12cdef 00112233>', 'ab12cdef00112233'],
    ['  ab 12\n', 'ab12'],
    ['0'.repeat(1024), '0'.repeat(1024)],
    [` <${'A'.repeat(1024)}> `, 'a'.repeat(1024)],
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
    ['aé', `token …aé is not all hex digits, ${expected}`],
    ['š1', `token …š1 is not all hex digits, ${expected}`],
    ['../../x1', `token …/../x1 is not all hex digits, ${expected}`],
    [`ab${'0'.repeat(1024)}`, 'token …000000 is 1026 characters long, expected at most 1024'],
    [`A ${'0'.repeat(1e6)}`, 'token …000000 is 1000001 characters long, expected at most 1024'],
    [undefined, 'token is undefined, expected a string of hex digits'],
    [null, 'token is null, expected a string of hex digits'],
    [12, 'token is number, expected a string of hex digits'],
    [['ab'], 'token is a list, expected a string of hex digits'],
    [Buffer.from('ab'), 'token is object, expected a string of hex digits'],
  ];
  for (const [token, message] of cases)
    assert.equal(
      refusalOf(() => checkToken(token)),
      message,
    );
  assert.equal(maskToken('0123456789abcdef'), '…abcdef');
});

test('an id is a UUID of any version, and becomes lower-case', () => {
  const id = '01234567-89AB-cdef-0123-456789ABCDEF';
  assert.equal(checkId(id), id.toLowerCase());
  assert.equal(checkId(id.toLowerCase()), id.toLowerCase());
  const wrong: [id: unknown, shown: string][] = [
    ['', '""'],
    ['0123456789abcdef0123456789abcdef', '"0123456789abcdef0123456789abcdef"'],
    ['01234567-89ab-cdef-01234-56789abcdef', '"01234567-89ab-cdef-01234-56789abcdef"'],
    ['0123456-89ab-cdef-0123-456789abcdefa', '"0123456-89ab-cdef-0123-456789abcdefa"'],
    ['01234567-89ab-cdef-0123-456789abcdeg', '"01234567-89ab-cdef-0123-456789abcdeg"'],
    [`${id} `, `"${id} "`],
    [`{${id}}`, `"{${id}}"`],
    [undefined, 'undefined'],
    [7, '7'],
    [{ toString: 1 }, 'object'],
    ['0'.repeat(64), `"${'0'.repeat(40)}"`],
  ];
  for (const [id, shown] of wrong) {
    assert.equal(
      refusalOf(() => checkId(id)),
      `id is ${shown}, expected a UUID`,
    );
  }
});
