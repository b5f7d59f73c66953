import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { version } from '../src/daemon/version.js';
import { startTestDaemon } from '../src/testing/index.js';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
/** A project that has the packed package installed, and nothing that the package does not declare. */
let project: string;
let archive: string;
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
  archive = filename;
  await unpack();
  for (const name of Object.keys(manifest.dependencies)) await link(name);
});

async function unpack(): Promise<void> {
  const installed = join(project, 'node_modules/apnsd');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(project, archive), '-C', installed, '--strip-components', '1']);
}

after(() => rm(project, { recursive: true }));

test('nothing is packed but the build, the manifest, the README and the licence', () => {
  const others = packed.map(({ path }) => path).filter((path) => !path.startsWith('dist/'));
  assert.deepEqual(others.sort(), ['LICENSE', 'README.md', 'package.json']);
  const kinds = packed.map(({ path }) => path.replace(/^dist\/.*?((\.d)?\.[jt]s)$/, '*$1'));
  const known = ['*.d.ts', '*.js', 'LICENSE', 'README.md', 'package.json'];
  known.push('dist/LICENSES', 'dist/cjs/package.json');
  assert.deepEqual([...new Set(kinds)].sort(), known.sort());
});

test("the version that the daemon tells is the manifest's", () => {
  assert.equal(version, manifest.version);
});

test('the licence of each package that stands in a bundle comes along', async () => {
  const licences = await readFile(join(project, 'node_modules/apnsd/dist/LICENSES'), 'utf8');
  const names = licences.match(/^[a-z-]+(?= \d+\.\d+\.\d+$)/gm);
  const inside = ['debug', 'is-network-error', 'ms', 'p-retry', 'xmlbuilder', 'xmlrpc'];
  assert.deepEqual(names, inside);
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

/** Runs a file and what it requires as Jest does: as CommonJS in a context of its own, without Node's loader or import(). */
const likeJest = `
  const { readFileSync } = require('node:fs');
  const { createRequire, isBuiltin } = require('node:module');
  const { dirname, join } = require('node:path');
  const vm = require('node:vm');
  const conditions = ['require', 'node', 'default'];
  const own = vm.runInNewContext('Object.getOwnPropertyNames(globalThis)');
  const ofNode = Object.getOwnPropertyNames(globalThis).filter((name) => !own.includes(name));
  const globals = Object.fromEntries(ofNode.map((name) => [name, globalThis[name]]));
  const context = vm.createContext({ ...globals, console });
  const loaded = new Map();

  function resolve(name, from) {
    const [, own, rest = ''] = /^(apnsd)(\\/.*)?$/.exec(name) ?? [];
    if (!own) return createRequire(from).resolve(name);
    const folder = join(__dirname, 'node_modules', own);
    let target = require(join(folder, 'package.json')).exports['.' + rest];
    while (typeof target === 'object') {
      target = target[Object.keys(target).find((condition) => conditions.includes(condition))];
    }
    return join(folder, target);
  }

  function load(path) {
    if (loaded.has(path)) return loaded.get(path).exports;
    const module = { exports: {} };
    loaded.set(path, module);
    const code = '(function (module, exports, require) {' + readFileSync(path, 'utf8') + '})';
    const run = vm.runInContext(code, context, { filename: path });
    run(module, module.exports, (name) => isBuiltin(name) ? require(name) : load(resolve(name, path)));
    return module.exports;
  }
  load(join(__dirname, 'app.jest.cjs'));`;

test('Jest, which has no ESM, can require all of it', async () => {
  await write(
    'app.jest.cjs',
    `const { createClient, ConfigError } = require('apnsd');
    const { startTestDaemon } = require('apnsd/testing');
    const { createDaemon } = require('apnsd/daemon');
    (async () => {
      const { host, initial, simulator, close } = await startTestDaemon();
      const client = createClient({ host, initial });
      const { status } = await client.notify('c0ffee00', 'Hello');
      simulator.unregister('c0ffee01');
      const dead = await client.notify('c0ffee01', 'Hello');
      await client.close();
      await close();
      const wrong = await createDaemon({ remember: -1 }).catch((error) => error);
      console.log(status, dead.tokenIsDead, wrong instanceof ConfigError);
    })();`,
  );
  const { stdout } = await node('jest.cjs', likeJest);
  assert.equal(stdout, 'accepted true true\n');
});

test('every copy in a process has the same configured client, and knows the errors of the others', async () => {
  const { stdout } = await node(
    'copies.mjs',
    `import { createRequire } from 'node:module';
    import * as imported from 'apnsd';
    const require = createRequire(import.meta.url);
    const path = './node_modules/apnsd/dist/cjs/index.js';
    const required = require(path);
    delete require.cache[require.resolve(path)];
    delete require.cache[require.resolve('./node_modules/apnsd/dist/cjs/errors.js')];
    const again = require(path);
    const options = { defaultAppId: 'app' };
    const client = imported.configure(options);
    console.log(required !== imported && again !== required);
    console.log(required.configure(options) === client, again.configure(options) === client);
    const error = await required.notify('odd', 'x').catch((error) => error);
    for (const { ApnsdError, InvalidArgumentError, ConfigError } of [imported, required, again]) {
      console.log([ApnsdError, InvalidArgumentError, ConfigError].map((one) => error instanceof one).join());
    }
    await client.close();`,
  );
  const each = 'true,true,false';
  assert.deepEqual(stdout.trim().split('\n'), ['true', 'true true', each, each, each]);
});

const formats = { esm: 'mjs', cjs: 'cjs' } as const;

for (const format of ['esm', 'cjs'] as const) {
  // In a bundle in ESM there is no require.
  const doors = format === 'esm' ? (['import'] as const) : (['import', 'require'] as const);
  for (const door of doors) {
    test(`a bundle in ${format} of an app with ${door} runs, and DEBUG shows its lines`, async () => {
      await using daemon = await startTestDaemon();
      const { stdout, stderr } = await bundled(
        format,
        `${door === 'import' ? "import { configure, notify } from 'apnsd'" : "const { configure, notify } = require('apnsd')"};
        const [host, initial] = JSON.parse(process.argv[2]);
        const client = configure({ host, initial });
        notify('c0ffee00', 'Hello').then(async ({ status }) => {
          await client.close();
          console.log(status);
        });`,
        [daemon.host, daemon.initial],
      );
      assert.equal(stdout, 'accepted\n');
      assert.match(stderr, /apnsd:client .*accepted/);
    });
  }

  test(`a bundle in ${format} of the daemon runs, and reads certificates and tells its version`, async () => {
    await using daemon = await startTestDaemon();
    const { simulator, initial } = daemon;
    const { stdout } = await bundled(
      format,
      `import { createClient } from 'apnsd';
      import { createDaemon } from 'apnsd/daemon';
      const [gateways, ca, initial] = JSON.parse(process.argv[2]);
      createDaemon({ listen: '127.0.0.1:0', gateways, ca }).then(async (daemon) => {
        const client = createClient({ host: daemon.url, initial });
        const { status } = await client.notify('c0ffee00', 'Hello');
        const body = '<methodCall><methodName>apnsd.status</methodName></methodCall>';
        const headers = { 'Content-Type': 'text/xml' };
        const answer = await fetch(daemon.url, { method: 'POST', headers, body });
        console.log(status, /version<\\/name><value>(?:<string>)?([^<]*)/.exec(await answer.text())[1]);
        await client.close();
        await daemon.close();
      });`,
      [{ [simulator.environment]: simulator.url }, simulator.ca, initial],
    );
    assert.equal(stdout, `accepted ${manifest.version}\n`);
  });
}

/** Bundles a program of the project, and runs it where there are no packages. */
async function bundled(format: 'esm' | 'cjs', code: string, options: unknown) {
  const folder = await mkdtemp(join(tmpdir(), 'apnsd-bundle-'));
  try {
    const outfile = join(folder, `app.${formats[format]}`);
    await write('bundle-me.js', code);
    const entryPoints = [join(project, 'bundle-me.js')];
    const { warnings } = await build({
      entryPoints,
      outfile,
      bundle: true,
      minify: true,
      format,
      platform: 'node',
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const env = { ...process.env, DEBUG: 'apnsd:client' };
    return await run(process.execPath, [outfile, JSON.stringify(options)], { cwd: folder, env });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a call that met an app without a free descriptor is no worse for it, once there is one', async () => {
  await using daemon = await startTestDaemon();
  const { stdout } = await node(
    'descriptors.mjs',
    `import { closeSync, openSync } from 'node:fs';
    import { createClient } from 'apnsd';
    const held = [];
    try {
      for (;;) held.push(openSync('/dev/null'));
    } catch {}
    const [host, initial] = JSON.parse(process.env.OPTIONS);
    const client = createClient({ host, initial });
    const call = client.notify('c0ffee00', 'Hello');
    client.once('healing', ({ cause }) => {
      console.log(cause.code, /EMFILE/.test(cause.message));
      for (const descriptor of held) closeSync(descriptor);
    });
    console.log((await call).status);
    await client.close();`,
    [],
    { OPTIONS: JSON.stringify([daemon.host, daemon.initial]) },
  );
  assert.equal(stdout, 'DAEMON_UNAVAILABLE true\naccepted\n');
});

test('a daemon without a free descriptor takes an app all the same, and pushes once there is one', async () => {
  await using daemon = await startTestDaemon();
  const { simulator, initial } = daemon;
  const { stdout } = await node(
    'full-daemon.mjs',
    `import { closeSync, openSync } from 'node:fs';
    import { createClient } from 'apnsd';
    import { createDaemon } from 'apnsd/daemon';
    const [gateways, ca, initial] = JSON.parse(process.env.OPTIONS);
    const daemon = await createDaemon({ listen: '127.0.0.1:0', gateways, ca });
    const held = [];
    try {
      for (;;) held.push(openSync('/dev/null'));
    } catch {}
    const failure = await daemon.provision(initial).catch((error) => error);
    for (const descriptor of held) closeSync(descriptor);
    const client = createClient({ host: daemon.url, initial });
    console.log(failure, (await client.notify('c0ffee00', 'Hello')).status);
    await client.close();
    await daemon.close();`,
    [],
    {
      OPTIONS: JSON.stringify([{ [simulator.environment]: simulator.url }, simulator.ca, initial]),
    },
  );
  assert.equal(stdout, 'undefined accepted\n');
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
  const wrong = node('inside.mjs', `import 'apnsd/dist/client/api/client.js';`);
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
      await rm('node_modules/debug');
      await rm('node_modules/apnsd/dist', { recursive: true });
      await close();
      const late = client.notify('c0ffee00', notification, { deadlineMs: 500 });
      await late.catch(({ code }) => console.log(code));
      await client.close();`,
    );
    assert.equal(stdout, 'DEADLINE\n');
  } finally {
    await rm(join(project, 'node_modules/debug'), { force: true });
    await link('debug');
    await unpack();
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
  // Jest's and TypeScript's older modes know neither "module-sync" nor how to require ESM.
  const older = { ...compilerOptions, module: 'node16' };
  await write('old/package.json', '{ "type": "commonjs" }');
  await write('old/tsconfig.json', JSON.stringify({ compilerOptions: older, files: ['app.ts'] }));
  await write(
    'old/app.ts',
    `import { ApnsdError, type Client, createClient, type Receipt } from 'apnsd';
    import type { DaemonOptions } from 'apnsd/daemon';
    import { createSimulator } from 'apnsd/testing';
    const client: Client = createClient({ on: { rejected: ({ reason }) => console.log(reason) } });
    export const receipt: Promise<Receipt> = client.notify('c0ffee', 'Hello', 0);
    export const isOurs = (error: unknown): error is ApnsdError => error instanceof ApnsdError;
    export const options: DaemonOptions = { listen: '127.0.0.1:0' };
    export const simulator = createSimulator();`,
  );
  await write(
    'app.cts',
    `import apnsd = require('apnsd');
    const client: apnsd.Client = apnsd.createClient({ defaultAppId: 'app' });
    export const receipt: Promise<apnsd.Receipt> = client.notify('c0ffee', 'Hello', 0);`,
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  for (const folder of [project, join(project, 'old')]) {
    const checked = run(process.execPath, [tsc, '-p', folder], { cwd: project });
    const { stdout, stderr } = await checked.catch((error) => error);
    assert.equal(stdout + stderr, '', folder);
  }
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
async function node(name: string, code: string, flags: string[] = [], env: object = {}) {
  await write(name, code);
  const options = { cwd: project, env: { ...process.env, ...env } };
  return run(process.execPath, [...flags, name], options);
}

async function write(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(project, name)), { recursive: true });
  await writeFile(join(project, name), text);
}

/** Gives the project a package of ours. */
async function link(name: string): Promise<void> {
  const path = join(project, 'node_modules', name);
  await mkdir(dirname(path), { recursive: true });
  await symlink(join(root, 'node_modules', name), path);
}
