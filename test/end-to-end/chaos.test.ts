import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';

const root = join(import.meta.dirname, '../..');
/** Ends a run that hangs, so that its test fails and leaves nothing behind; it measures no speed. */
const limitMs = 120_000;
/** `npm run chaos`, in a temporary folder of its own. */
async function chaos(t: TestContext, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
  const node = ['--import', 'tsx', 'test/chaos/chaos.ts', ...args];
  const child = spawn(process.execPath, node, {
    cwd: root,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Asked, since what it has started is its own to end.
  const timer = setTimeout(() => child.kill('SIGTERM'), limitMs);
  t.after(async () => {
    clearTimeout(timer);
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true });
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    async ([stdout, stderr, [code]]) => ({ stdout, stderr, code, left: await foldersIn(folder) }),
  );
  return { child, ended };
}

/** Those of the harness; tsx keeps one of its own there. */
async function foldersIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => name.startsWith('apnsd-'));
}

/** A policy's row of the table, by title. */
function rowOf(stdout: string, policy: string): Record<string, number> {
  const lines = stdout.split('\n');
  const cells = (line = '') => line.trim().split(/ {2,}/);
  const titles = cells(lines.find((line) => /^ *policy {2}/.test(line)));
  const row = cells(lines.find((line) => line.trimStart().startsWith(`${policy}  `)));
  return Object.fromEntries(titles.map((title, at) => [title, Number(row[at])]));
}

for (const seed of [1, 2, 3]) {
  test(`nothing is lost, and nothing doubled that could be known, in the chaos of seed ${seed}`, async (t) => {
    const options = ['--seconds', '3', '--rate', '100', '--only', 'healing'];
    const run = await chaos(t, '--seed', String(seed), ...options);
    const { code, stdout, stderr, left } = await run.ended;
    assert.equal(stderr, '', stdout);
    assert.equal(code, 0, stdout);
    const row = rowOf(stdout, 'healing');
    assert.ok(Number(row.sent) > 0, stdout);
    assert.equal(row.accepted, row.sent, stdout);
    assert.deepEqual(left, []);
  });
}

test('the old policy loses what comes while its daemon is away, and the harness sees it', async (t) => {
  const options = ['--seconds', '2', '--rate', '100', '--only', 'old wrapper', '--kinds', 'kill'];
  const run = await chaos(t, '--seed', '1', ...options);
  const { code, stdout } = await run.ended;
  assert.equal(code, 0, 'what the old policy loses is no fault of ours');
  const row = rowOf(stdout, 'old wrapper');
  assert.ok(Number(row.failed) > 0, stdout);
  assert.ok(Number(row.missing) > 0, stdout);
  assert.equal(Number(row.accepted) + Number(row.failed), row.sent, stdout);
});

test('Ctrl-C ends the chaos and all that it has started', async (t) => {
  const { child, ended } = await chaos(t, '--seconds', '60', '--rate', '10', '--kinds', 'goAway');
  const ports = await portsOf(child);
  child.kill('SIGINT');
  const { code, stderr, left } = await ended;
  assert.equal(stderr, '');
  assert.equal(code, 130);
  assert.deepEqual(left, []);
  for (const port of ports) await refused(port);
});

test('a wrong option is named', async (t) => {
  const run = await chaos(t, '--kinds', 'kill,flood');
  const { code, stderr } = await run.ended;
  assert.equal(code, 2);
  assert.match(stderr, /^--kinds has "flood", expected kill, /);
});

/** Of simulator, daemon and proxy, once it has said them. */
async function portsOf({ stdout }: ChildProcess): Promise<number[]> {
  let said = '';
  const ports = /^Apple .*:(\d+), the daemon .*:(\d+), the proxy .*:(\d+)$/m;
  while (!ports.test(said)) said += await once(stdout as NonNullable<typeof stdout>, 'data');
  return (ports.exec(said) ?? []).slice(1).map(Number);
}

/** Resolves once nobody listens. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return;
    }
    socket.destroy();
  }
}
