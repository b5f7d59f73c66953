import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { maxMany } from '../src/client/api/client.js';
import { MAX_MEMBERS } from '../src/client/batching/batch.js';
import { settingsFrom } from '../src/client/config/settings.js';
import { maxCalls } from '../src/daemon/methods/system.js';

const pages = ['README.md', 'src/client/README.md', 'src/daemon/README.md'].map((path) =>
  readFile(join(import.meta.dirname, '..', path), 'utf8'),
);
const readme = (await Promise.all(pages)).join('\n');

/** The number that a sentence has at `()`. */
function told(sentence: RegExp): number {
  const [, digits] = sentence.exec(readme) ?? [];
  assert.ok(digits, `no sentence is like ${sentence}`);
  return Number(digits.replaceAll(',', ''));
}

test('the numbers of the READMEs are those of the code', () => {
  assert.equal(told(/go together, up to ([\d,]+)\./), MAX_MEMBERS);
  assert.equal(told(/never more than ([\d,]+) are under way/), maxMany);
  assert.equal(told(/A multicall takes up to ([\d,]+) calls/), maxCalls);
});

test("the client's options have the defaults that the README says", () => {
  const { timeoutMs, deadlineMs, maxPending, maxAnswerBytes } = settingsFrom({});
  for (const [name, value] of Object.entries({
    timeoutMs,
    deadlineMs,
    maxPending,
    maxAnswerBytes,
  })) {
    assert.equal(told(new RegExp(`\\| \`${name}\` \\| number \\| \`(\\d+)\``)), value, name);
  }
});
