import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soakAnswers } from './answers.js';

test('twenty callers who read none of their long answers leave the daemon small, awake and able to end', async () => {
  // A machine with other work to do: how soon others are answered is measured by the soak.
  const options = { deadTokens: 5_000, callers: 20, holdMs: 100, mostMs: 2000 };
  const { calls } = await soakAnswers(options);
  assert.ok(calls > 0);
});
