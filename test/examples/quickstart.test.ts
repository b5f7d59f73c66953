import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startTestDaemon } from 'apnsd/testing';
import { Example } from './example.js';

test('the quickstart prints its receipt and exits by itself', async () => {
  await using daemon = await startTestDaemon();
  await using quickstart = new Example('quickstart.ts', {
    APNSD_HOST: daemon.host,
    APNSD_KEY: daemon.simulator.key.key,
    APNSD_KEY_ID: daemon.simulator.key.keyId,
    APNSD_TEAM_ID: daemon.simulator.key.teamId,
  });
  const { code, stdout, stderr } = await quickstart.ended;
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const [seen, ...more] = daemon.simulator.accepted;
  assert.match(stdout, new RegExp(`status: 'accepted',.*id: '${seen?.id}',.*attempts: 1,`, 's'));
  assert.deepEqual(seen?.payload, {
    aps: { alert: 'Your table is ready', badge: 3, sound: 'default' },
  });
  assert.deepEqual(more, []);
});

test('the README shows the quickstart, with its literals in place of the environment', async () => {
  const [, shown] = /```ts\n(.*?)```/s.exec(await read('README.md')) ?? [];
  const code = await read('examples/quickstart.ts');
  const lines = code
    .slice(code.indexOf('\nimport ') + 1)
    .replaceAll(/\s+process\.env\.\w+ \?\?\s/g, ' ');
  assert.equal(shown, lines);
});

function read(path: string): Promise<string> {
  return readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
}
