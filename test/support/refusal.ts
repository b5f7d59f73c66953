/** What is wrong with an argument, as the error says it. */
import assert from 'node:assert/strict';
import { InvalidArgumentError } from '../../src/errors.js';

export function refusalOf(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    return error.message;
  }
  return assert.fail('it passed');
}
