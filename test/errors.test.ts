import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../src/errors.js';

test('an error carries its name, its code and its cause', () => {
  const cause = new Error('disk');
  const error = new ConfigError('host is missing', { cause });
  assert.equal(error.name, 'ConfigError');
  assert.equal(error.code, 'CONFIG');
  assert.equal(error.cause, cause);
});
