import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soakSender } from './sender.js';

test('fifty thousand requests over connections that die leave neither memory nor handles behind', async () => {
  const { outcomes } = await soakSender(50_000);
  const { 200: accepted = 0, 410: refused = 0, unknown = 0, unsent = 0 } = outcomes;
  assert.equal(accepted + refused + unknown + unsent, 50_000);
  assert.equal(unsent, 0);
  // A third of the deaths are sudden, with up to 200 streams open.
  assert.ok(accepted > 25_000 && refused > 500);
});
