import assert from 'node:assert/strict';
import { test } from 'node:test';
import { excerpt } from '../../src/rpc/excerpt.js';

test('a short text is shown whole, with nothing in it that a terminal would obey', () => {
  assert.equal(excerpt('é "x" \\'), '"é \\"x\\" \\\\"');
  assert.equal(excerpt('\x1b[2J\x9b\n\u2028\u202e'), '"\\u001b[2J\\u{9b}\\n\\u{2028}\\u{202e}"');
});

test('of a longer text only the start is shown, even where that cuts a character', () => {
  assert.equal(excerpt('a'.repeat(40)), `"${'a'.repeat(40)}"`);
  assert.equal(excerpt('a'.repeat(41)), `"${'a'.repeat(16)}…" (41 characters)`);
  assert.equal(
    excerpt(`${'a'.repeat(15)}${'😀'.repeat(20)}`),
    `"${'a'.repeat(15)}\\ud83d…" (55 characters)`,
  );
});
