/**
 * Builds the package into `dist`: modules and declarations by tsc; then the client in one file, with the packages that it
 * needs in it; then all of it again for CommonJS, in `dist/cjs`: Jest and TypeScript's node16 can't require ESM.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const cjs = join(dist, 'cjs');

rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', join(root, 'src')], { stdio: 'inherit' });

for (const path of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
  if (!path.endsWith('.d.ts')) continue;
  mkdirSync(dirname(join(cjs, path)), { recursive: true });
  copyFileSync(join(dist, path), join(cjs, path));
}
writeFileSync(join(cjs, 'package.json'), '{ "type": "commonjs" }\n');

/**
 * What packages require of Node is asked for at run time: an ESM bundle has no `require`, neither ours nor one that an
 * app makes of it. They do without `supports-color` where it is not installed.
 */
const partsOfNode: Plugin = {
  name: 'parts of Node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(tty|util|supports-color)$/ }, ({ path }) => ({
      path,
      namespace: 'node',
    }));
    onLoad({ filter: /./, namespace: 'node' }, ({ path }) => ({
      contents:
        path === 'supports-color' ? '' : `module.exports = process.getBuiltinModule('${path}');`,
    }));
  },
};

/** The copy of `debug` that the app has too; where it can't be loaded, the one inside does. */
const appsOwnDebug: Plugin = {
  name: "the app's own debug",
  setup({ onResolve }) {
    onResolve({ filter: /^debug$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** All bundles of a folder have the same classes of errors. */
const oneFileOfErrors = (entry: string): Plugin => ({
  name: 'one file of errors',
  setup({ onResolve }) {
    onResolve({ filter: /\/errors\.js$/ }, ({ path, resolveDir }) => {
      if (join(resolveDir, path) !== join(root, 'src/errors.js')) return undefined;
      const folder = relative(dirname(entry), '.') || '.';
      return { path: `${folder}/errors.js`, external: true };
    });
  },
});

/** The packages that stand in the bundles. */
const inside = new Set<string>();

await bundle('index', dist, 'esm');
for (const entry of ['errors', 'index', 'daemon/index', 'testing/index']) {
  await bundle(entry, cjs, 'cjs');
}
writeFileSync(join(dist, 'LICENSES'), [...inside].sort().map(licenceOf).join('\n'));

async function bundle(entry: string, folder: string, format: 'esm' | 'cjs'): Promise<void> {
  const { metafile } = await build({
    entryPoints: [join(root, 'src', `${entry}.ts`)],
    outfile: join(folder, `${entry}.js`),
    bundle: true,
    format,
    platform: 'node',
    target: 'node20',
    // Jest has no import() in CommonJS.
    supported: { 'dynamic-import': format === 'esm' },
    external: ['node-forge'],
    plugins: [partsOfNode, appsOwnDebug, oneFileOfErrors(entry)],
    absWorkingDir: root,
    allowOverwrite: true,
    metafile: true,
    logLevel: 'warning',
  });
  for (const path of Object.keys(metafile.inputs)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[1];
    if (name) inside.add(name);
  }
}

function licenceOf(name: string): string {
  const folder = join(root, 'node_modules', name);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((path) => /^licen[cs]e/i.test(path));
  if (!file) throw new Error(`${name} has no licence file, expected one beside its package.json`);
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8')}`;
}
