import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Example } from './example.js';

/** A temporary folder for the demo to make its own in. */
async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
  return {
    path,
    demos: async () => (await readdir(path)).filter((name) => name.startsWith('apnsd-')),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

test('the demo loses nothing while its daemon is killed three times', async () => {
  await using folder = await temporaryFolder();
  await using demo = new Example('restart.ts', { TMPDIR: folder.path }, 200_000);
  const { code, stdout, stderr } = await demo.ended;
  assert.equal(stderr, '', stdout);
  assert.equal(code, 0, stdout);
  assert.equal(stdout.match(/killed the daemon/g)?.length, 3, stdout);
  const row = (name: string) => Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(stdout)?.[1]);
  assert.equal(row('sent'), 1000);
  assert.equal(row('accepted'), 1000);
  assert.equal(row('rejected'), 0);
  assert.equal(row('lost'), 0);
  // Each kill hits what is under way.
  assert(row('healed') >= 3, stdout);
  assert(row('repeats') >= row('healed'), stdout);
  assert.deepEqual(await folder.demos(), []);
});

test('Ctrl-C ends the demo and all that it has started', async () => {
  await using folder = await temporaryFolder();
  await using demo = new Example('restart.ts', { TMPDIR: folder.path });
  const [, gateway] = await demo.find(/simulator: .*:(\d+)/);
  const [, daemon] = await demo.find(/daemon: .*:(\d+)/);
  await demo.find(/app: sends/);
  assert.equal((await folder.demos()).length, 1);
  demo.child.kill('SIGINT');
  const { code, stdout, stderr } = await demo.ended;
  assert.equal(stderr, '');
  assert.equal(code, 130);
  assert.doesNotMatch(stdout, /lost/);
  assert.deepEqual(await folder.demos(), []);
  await refused(Number(gateway));
  await refused(Number(daemon));
});

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
