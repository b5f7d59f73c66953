import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import * as errors from '../src/errors.js';

const { ApnsdError, ConfigError, DeadlineError } = errors;

test('an error carries its name, its code and its cause', () => {
  const cause = new Error('disk');
  const error = new ConfigError('host is missing', { cause });
  assert.equal(error.name, 'ConfigError');
  assert.equal(error.code, 'CONFIG');
  assert.equal(error.cause, cause);
});

test('each error keeps its name, and is an instance of its class in every copy, after a minifier', async () => {
  const bundle = await build({
    entryPoints: [join(import.meta.dirname, '../src/errors.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  const [file] = bundle.outputFiles;
  const copy: typeof errors = await import(
    `data:text/javascript,${encodeURIComponent(file?.text ?? '')}`
  );
  for (const [name, errorClass] of Object.entries(errors)) {
    if (errorClass === ApnsdError) continue;
    const Copy = copy[name as 'ConfigError'];
    const error = new Copy(...([new Map()] as unknown as [string]));
    assert.equal(error.name, name);
    assert.equal(Copy.name, name);
    assert.ok(error instanceof errorClass && error instanceof ApnsdError);
    assert.ok(!(error instanceof (errorClass === ConfigError ? DeadlineError : ConfigError)));
  }
});

test('a class of an app counts what it made itself, and has the name that the app gave it', () => {
  class Ours extends ConfigError {}
  class Theirs extends ConfigError {}
  Object.defineProperty(Theirs, 'name', { value: 'Ours' });
  assert.equal(new Ours('x').name, 'Ours');
  assert.ok(new Ours('x') instanceof Ours && new Ours('x') instanceof ConfigError);
  assert.ok(!(new Theirs('x') instanceof Ours) && !(new ConfigError('x') instanceof Ours));
  for (const other of [undefined, null, 'x', {}, new Error('x')]) {
    assert.ok(!(other instanceof ApnsdError));
  }
});
