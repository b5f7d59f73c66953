import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const biome = join(root, 'node_modules/.bin/biome');

/** What the linter says of these files, under the project's own configuration. */
async function lint(files: Record<string, string>): Promise<{ failed: boolean; said: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'apnsd-imports-'));
  try {
    await cp(join(root, 'biome.json'), join(folder, 'biome.json'));
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    const argv = ['ci', '--error-on-warnings', '--vcs-enabled=false', '--colors=off'];
    const { status, stdout, stderr } = spawnSync(biome, argv, { cwd: folder, encoding: 'utf8' });
    return { failed: status !== 0, said: stdout + stderr };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const one = 'export const one = 1;\n';
const using = (path: string) =>
  `import { one } from '${path}';\n\nexport const two: number = one + 1;\n`;

for (const [from, to] of [
  ['src/client/calls.ts', 'src/daemon/apps.ts'],
  ['src/client/calls.ts', 'src/apns/pool.ts'],
  ['src/index.ts', 'src/daemon/apps.ts'],
  ['src/rpc/encode.ts', 'src/daemon/apps.ts'],
  ['src/rpc/encode.ts', 'src/client/calls.ts'],
  ['src/notification/check.ts', 'src/rpc/encode.ts'],
  ['src/apns/pool.ts', 'src/rpc/encode.ts'],
  ['src/apns/pool.ts', 'src/daemon/apps.ts'],
  ['src/daemon/apps.ts', 'src/testing/simulator.ts'],
  ['src/daemon/apps.ts', 'src/client/calls.ts'],
  ['src/testing/simulator.ts', 'src/cli/serve.ts'],
] as const) {
  test(`${from} may not import ${to}`, async () => {
    const path = `../${to.replace('src/', '').replace('.ts', '.js')}`;
    const nearer = dirname(from) === 'src' ? path.replace('../', './') : path;
    const { failed, said } = await lint({ [to]: one, [from]: using(nearer) });
    assert.ok(failed);
    assert.match(said, /noRestrictedImports/);
  });
}

test('a circle fails, even one of types alone', async () => {
  const { failed, said } = await lint({
    'src/daemon/one.ts':
      "import type { Two } from './two.js';\n\nexport interface One {\n  two: Two;\n}\n",
    'src/daemon/two.ts':
      "import type { One } from './one.js';\n\nexport interface Two {\n  one: One;\n}\n",
  });
  assert.ok(failed);
  assert.match(said, /noImportCycles/);
});

test('arrows that run down pass', async () => {
  const { failed, said } = await lint({
    'src/errors.ts': one,
    'src/rpc/encode.ts': using('../errors.js'),
    'src/client/calls.ts': using('../errors.js'),
    'src/apns/pool.ts': using('../errors.js'),
    'src/daemon/apps.ts': using('../apns/pool.js').replace('{ one }', '{ two as one }'),
  });
  assert.ok(!failed, said);
});
