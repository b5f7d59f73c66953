/** Runs every test file on disk in node's own runner, with coverage; fails if one did not run or, where that is forbidden, if one was skipped. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const folder = import.meta.dirname;
const wanted = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .map((name) => join(folder, name))
  .sort();
if (files.length === 0) fail(`no test file matches ${wanted.join(' ')}`);

/** Where coverage is gathered; of some files alone it would say nothing. */
const coverage = wanted.length === 0 ? mkdtempSync(join(tmpdir(), 'apnsd-coverage-')) : undefined;
if (coverage !== undefined) process.env.NODE_V8_COVERAGE = coverage;

const ran = new Set<string>();
const skipped: string[] = [];
let failed = 0;

// A file's limit is there to end a hang, not to measure speed.
const events = run({ files, concurrency: 2, timeout: 300_000 });
const note = (test: { name: string; file?: string; skip?: string | boolean }) => {
  if (test.file) ran.add(test.file);
  if (test.skip !== undefined) skipped.push(`${test.name} (${test.skip})`);
};
events.on('test:pass', note);
events.on('test:fail', (test) => {
  note(test);
  failed += 1;
});

// The runner's closing lines are held back, so that they come last.
let closing = '';
for await (const chunk of events.compose(new spec())) {
  const text = String(chunk);
  const start = closing === '' ? text.search(/^\S* ?ℹ tests \d/m) : 0;
  process.stdout.write(start < 0 ? text : text.slice(0, start));
  if (start >= 0) closing += text.slice(start);
}

if (coverage !== undefined) {
  const c8 = createRequire(import.meta.url).resolve('c8/bin/c8.js');
  const options = ['--temp-directory', coverage, '--reporter', 'text', '--include', 'src/**'];
  delete process.env.NODE_V8_COVERAGE;
  spawnSync(process.execPath, [c8, 'report', ...options], { stdio: 'inherit' });
  rmSync(coverage, { recursive: true });
}

for (const name of skipped) console.log(`skipped: ${name}`);
const missing = files.filter((file) => !ran.has(file));
for (const file of missing) console.log(`did not run: ${file}`);
const forbidden = process.env.APNSD_SKIP === 'forbidden' && skipped.length > 0;
if (forbidden) console.log('skipping is forbidden here (APNSD_SKIP=forbidden)');
process.stdout.write(closing);
process.exitCode = failed > 0 || missing.length > 0 || forbidden || closing === '' ? 1 : 0;

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
