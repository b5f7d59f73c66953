/** Sends through connections that die every few hundred requests, and looks whether memory or a handle is left. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createPool } from '../../src/apns/http2/pool.js';
import { later, request, word } from '../apns/http2/scripted-server.js';

interface Soaked {
  /** How many ended how. */
  outcomes: Record<string, number>;
  /** Megabytes of heap and buffers, a sample each tenth. */
  megabytes: number[];
}

/** Requests under way at once. */
const CONCURRENCY = 1000;
/** Less than a hundred bytes for each request of the second half of the smaller soak. */
const SLACK_MB = 2;

export async function soakSender(count: number): Promise<Soaked> {
  const child = fork(join(import.meta.dirname, '../apns/http2/dying-server.ts'));
  try {
    const [where] = await once(child, 'message');
    const died = once(child, 'exit').then(() => assert.fail('the server died'));
    died.catch(() => {});
    const soaked = await Promise.race([send(where, count), died]);
    const { megabytes } = soaked;
    const before = Math.max(...megabytes.slice(0, 5));
    const after = megabytes.at(-1) ?? 0;
    assert.ok(after < before + SLACK_MB, `memory grew: ${megabytes.join(', ')} MB`);
    return soaked;
  } finally {
    const exited = child.exitCode === null && once(child, 'exit');
    child.kill();
    await exited;
  }
}

async function send(where: { gateway: string; ca: string[] }, count: number): Promise<Soaked> {
  const backoff = { firstMs: 10, factor: 1, maxMs: 10 };
  const pool = createPool({
    ...where,
    authorization: () => `bearer ${'j'.repeat(200)}`,
    limits: { backoff, growAfterMs: 1e9 },
  });
  const outcomes: Record<string, number> = {};
  const megabytes: number[] = [];
  let sent = 0;
  const sendUntil = async (many: number) => {
    while (sent < many) {
      sent += 1;
      const kind = word(await pool.send(request(`${sent}`), later()));
      outcomes[kind] = (outcomes[kind] ?? 0) + 1;
    }
  };
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    const many = Math.round((count * tenth) / 10);
    await Promise.all(Array.from({ length: CONCURRENCY }, () => sendUntil(many)));
    megabytes.push(usedMegabytes());
  }
  await pool.close();
  const left = process.getActiveResourcesInfo().filter((name) => /TLS|TCP|Timeout/.test(name));
  assert.deepEqual(left, [], 'handles are left');
  return { outcomes, megabytes };
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

function usedMegabytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 100_000) / 10;
}
