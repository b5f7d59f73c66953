import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
/** A project that has the packed package installed, and nothing that the package does not declare. */
let project: string;
let packed: { path: string }[];
let manifest: { version: string; dependencies: Record<string, string> };

before(async () => {
  manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  project = await realpath(await mkdtemp(join(tmpdir(), 'apnsd-package-')));
  // Without scripts: packing is not to build under the feet of tests that run meanwhile.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', project];
  const { stdout } = await run('npm', pack, { cwd: root });
  const [{ filename, files }] = JSON.parse(stdout);
  packed = files;
  const installed = join(project, 'node_modules/apnsd');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(project, filename), '-C', installed, '--strip-components', '1']);
  for (const name of Object.keys(manifest.dependencies)) await link(name);
});

after(() => rm(project, { recursive: true }));

test('nothing is packed but the build, the manifest, the README and the licence', () => {
  const others = packed.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
  assert.deepEqual(others.sort(), ['LICENSE', 'README.md', 'package.json']);
  const kinds = packed.map(({ path }) => path.replace(/^dist\/.*?((\.d)?\.\w+)$/, '*$1'));
  assert.deepEqual(
    [...new Set(kinds)].sort(),
    ['*.d.ts', '*.js', 'LICENSE', 'README.md', 'package.json'].sort(),
  );
});

test('it can be imported, and required from CommonJS, as one and the same', async () => {
  const { stdout, stderr } = await node(
    'both.cjs',
    `const required = require('apnsd');
    import('apnsd').then((imported) => {
      console.log(required === imported, Object.keys(required).join(' '));
    });`,
  );
  const source = await import('apnsd');
  assert.equal(stdout, `true ${Object.keys(source).join(' ')}\n`);
  assert.equal(stderr, '');
});

test('the daemon and the testing tools can be imported and required', async () => {
  const { stdout } = await node(
    'doors.cjs',
    `const { startTestDaemon } = require('apnsd/testing');
    const { createDaemon } = require('apnsd/daemon');
    import('apnsd').then(async ({ createClient }) => {
      const { host, initial, close } = await startTestDaemon();
      const client = createClient({ host, initial });
      const { status } = await client.notify('c0ffee00', 'Hello');
      await client.close();
      await close();
      console.log(typeof createDaemon, status);
    });`,
  );
  assert.equal(stdout, 'function accepted\n');
});

test('nothing behind its doors can be imported', async () => {
  const wrong = node('inside.mjs', `import 'apnsd/dist/client/client.js';`);
  await assert.rejects(wrong, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test('npm makes the command apnsd of it', async () => {
  // As an installation does it, by the manifest's "bin".
  await run('npm', ['rebuild', 'apnsd', '--ignore-scripts', '--offline'], { cwd: project });
  const { stdout } = await run(join(project, 'node_modules/.bin/apnsd'), ['--version']);
  assert.equal(stdout, `${manifest.version}\n`);
});

test('an app that imports apnsd loads nothing of the daemon, no package, and no part of Node that can wait', async () => {
  await write(
    'watch.mjs',
    `import { register } from 'node:module'; register('./hook.mjs', import.meta.url);`,
  );
  await write(
    'hook.mjs',
    `import { writeSync } from 'node:fs';
    export function load(url, context, next) {
      writeSync(1, url + '\\n');
      return next(url, context);
    }`,
  );
  // The hook sees modules, the cache what CommonJS packages require by themselves.
  const { stdout } = await node(
    'loads.mjs',
    `import { createRequire } from 'node:module';
    import { pathToFileURL } from 'node:url';
    import 'apnsd';
    const { cache } = createRequire(import.meta.url);
    for (const path of Object.keys(cache)) console.log(pathToFileURL(path).href);`,
    ['--import', './watch.mjs'],
  );
  const urls = [...new Set(stdout.split('\n'))];
  const first = (pattern: RegExp) => urls.flatMap((url) => pattern.exec(url)?.[1] ?? []);
  const rooms = new Set(first(/\/node_modules\/apnsd\/dist\/([^/]+)/));
  assert.deepEqual([...rooms].sort(), ['errors.js', 'index.js']);
  const packages = new Set(first(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/));
  const early = Object.keys(manifest.dependencies).filter((name) => packages.has(name));
  assert.deepEqual(early, []);
  assert.deepEqual(first(/^node:(https?|http2|net|tls)$/), []);
});

test('an outage needs no file that the first call did not: the app may have been replaced meanwhile', async () => {
  try {
    const { stdout } = await node(
      'outage.mjs',
      `import { rm } from 'node:fs/promises';
      import { createClient } from 'apnsd';
      import { startTestDaemon } from 'apnsd/testing';
      const { host, initial, close } = await startTestDaemon();
      const client = createClient({ host, initial });
      const notification = { payload: { aps: { alert: 'Hello' } } };
      await client.notify('c0ffee00', notification);
      await rm('node_modules/p-retry');
      await close();
      const late = client.notify('c0ffee00', notification, { deadlineMs: 500 });
      await late.catch(({ code }) => console.log(code));
      await client.close();`,
    );
    assert.equal(stdout, 'DEADLINE\n');
  } finally {
    await rm(join(project, 'node_modules/p-retry'), { force: true });
    await link('p-retry');
  }
});

test('its types hold in a strict project, from ESM and from CommonJS', async () => {
  await link('@types/node');
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noImplicitReturns: true,
    // The package's own declarations are what is checked.
    skipLibCheck: false,
    noEmit: true,
  };
  await write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['app.mts', 'app.cts'] }));
  await write(
    'app.mts',
    `import { type Client, ConfigError, configure, createClient, feedback, notify } from 'apnsd';
    import { createDaemon, type Daemon } from 'apnsd/daemon';
    import { startTestDaemon } from 'apnsd/testing';

    const app = { appId: 'app', cert: '/app.pem', environment: 'sandbox' } as const;
    export const client: Client = configure({ host: 'unix:/run/apnsd.sock', initial: [app] });
    client.on('healed', ({ appId, durationMs }) => console.log(appId?.length, durationMs.toFixed()));
    client.on('rejected', ({ token, tokenIsDead }) => console.log(token.length, tokenIsDead));

    export async function send(token: string): Promise<string | number> {
      await notify(token, { payload: { aps: { alert: { title: 'Hello' } }, orderId: 7 } });
      const receipt = await notify(token, 'Hello', null, undefined, { deadlineMs: 1000 });
      switch (receipt.status) {
        case 'accepted':
        case 'submitted':
          return receipt.id;
        case 'rejected':
          return receipt.tokenIsDead ? receipt.reason : receipt.httpStatus;
      }
    }

    export async function test(): Promise<Date | undefined> {
      const { host, initial, simulator, close } = await startTestDaemon();
      const another = createClient({ host, initial });
      const daemon: Daemon = await createDaemon({ listen: '127.0.0.1:0', ca: simulator.ca });
      await Promise.all([another.close(), daemon.close(), close()]);
      const [dead] = await feedback();
      return dead?.unregisteredAt;
    }

    export const isOurs = (error: unknown): error is ConfigError => error instanceof ConfigError;

    // @ts-expect-error an unknown option
    createClient({ hots: 'http://127.0.0.1:7077/' });
    // @ts-expect-error neither certificate nor key
    createClient({ initial: [{ appId: 'app', environment: 'sandbox' }] });
    // @ts-expect-error an environment that there is not
    createClient({ initial: [{ ...app, environment: 'development' }] });
    // @ts-expect-error an event that there is not
    client.on('heeled', () => {});
    // @ts-expect-error a number for a message
    void notify('c0ffee', 7);
    // @ts-expect-error what stands beside the payload is no part of it
    void notify('c0ffee', { payload: {}, orderId: 7 });`,
  );
  await write(
    'app.cts',
    `import apnsd = require('apnsd');
    const client: apnsd.Client = apnsd.createClient({ defaultAppId: 'app' });
    export const receipt: Promise<apnsd.Receipt> = client.notify('c0ffee', 'Hello', 0);`,
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const checked = run(process.execPath, [tsc, '-p', project], { cwd: project });
  const { stdout, stderr } = await checked.catch((error) => error);
  assert.equal(stdout + stderr, '');
});

test('the top of the repository is as the house has it', async () => {
  const { stdout } = await run('git', ['ls-files', '-z'], { cwd: root });
  const top = new Set(
    stdout
      .split('\0')
      .filter(Boolean)
      .map((path) => path.replace(/\/.*/, '')),
  );
  const house = ['.ci', '.gitignore', 'LICENSE', 'README.md', 'biome.json', 'examples'];
  house.push('package-lock.json', 'package.json', 'src', 'test', 'tsconfig.json');
  assert.deepEqual(
    [...top].filter((name) => !house.includes(name)),
    [],
  );
});

/** Runs a program in the project. */
async function node(name: string, code: string, flags: string[] = []) {
  await write(name, code);
  return run(process.execPath, [...flags, name], { cwd: project });
}

function write(name: string, text: string): Promise<void> {
  return writeFile(join(project, name), text);
}

/** Gives the project a package of ours. */
async function link(name: string): Promise<void> {
  const path = join(project, 'node_modules', name);
  await mkdir(dirname(path), { recursive: true });
  await symlink(join(root, 'node_modules', name), path);
}
