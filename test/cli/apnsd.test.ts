import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { run } from '../support/command.js';

const { version } = createRequire(import.meta.url)('../../package.json');

test('--version prints the version, --help what there is', async () => {
  const [versioned, helped] = await Promise.all([run('--version'), run('--help')]);
  assert.deepEqual(versioned, { code: 0, stdout: `${version}\n`, stderr: '' });
  assert.equal(helped.code, 0);
  assert.match(helped.stdout, /apnsd serve .*\n.*apnsd simulate /);
  assert.equal(helped.stderr, '');
});

test('without a command, or with one that is none, it says so in one line and exits with 2', async () => {
  const see = 'expected serve or simulate; see apnsd --help\n';
  const cases: [argv: string[], stderr: string][] = [
    [[], `apnsd: a command is missing, ${see}`],
    [['toString'], `apnsd: there is no command toString, ${see}`],
  ];
  for (const [argv, stderr] of cases) {
    assert.deepEqual(await run(...argv), { code: 2, stdout: '', stderr });
  }
});
