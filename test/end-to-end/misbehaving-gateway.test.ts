import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { createClient } from '../../src/index.js';
import { createAuthority, createProviderKey } from '../../src/testing/index.js';
import { debianPython, h2 } from '../support/languages.js';

const burst = 3000;
const topic = 'com.example.app';

interface Seen {
  token: string;
  status: number;
  /** UNIX milliseconds. */
  at: number;
}

/** A daemon and a client of a gateway that is not Node's, and does as `mode` says. */
async function start(mode: string) {
  const folder = await mkdtemp(join(tmpdir(), 'apnsd-gateway-'));
  const authority = await createAuthority();
  const { certificate, key: serverKey } = await authority.serverCertificate();
  const pem = join(folder, 'server.pem');
  await writeFile(pem, certificate + serverKey);
  const script = join(import.meta.dirname, 'misbehaving-gateway.py');
  const gateway = spawn(debianPython, [script, mode, pem], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const seen: Seen[] = [];
  const lines = createInterface(gateway.stdout);
  const [port] = await once(lines, 'line');
  lines.on('line', (line) => seen.push(JSON.parse(line)));
  const { key, keyId, teamId } = await createProviderKey({ topics: [topic] });
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { production: `https://127.0.0.1:${port}` },
    ca: authority.ca,
  });
  const client = createClient({
    host: daemon.url,
    // Longer than any pause: an attempt that ends while its request is in flight has to be repeated.
    timeoutMs: 60_000,
    deadlineMs: 120_000,
    initial: [{ appId: topic, environment: 'production', key, keyId, teamId, topic }],
  });
  return {
    seen,
    /** Sends all at once, and resolves with how long it took, in milliseconds. */
    async send(): Promise<number> {
      const tokens = Array.from({ length: burst }, (_, n) => n.toString(16).padStart(64, '0'));
      const from = performance.now();
      const receipts = await Promise.all(tokens.map((token) => client.notify(token, 'Hello')));
      for (const { status } of receipts) assert.equal(status, 'accepted');
      return performance.now() - from;
    },
    /** What each device's requests were, in their order. */
    byToken(): Seen[][] {
      const groups = new Map<string, Seen[]>();
      for (const one of seen) groups.set(one.token, [...(groups.get(one.token) ?? []), one]);
      return [...groups.values()];
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await daemon.close();
      const exited = once(gateway, 'exit');
      gateway.kill();
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

test(
  'a gateway that goes away each 100 requests, before their answers, gets each once',
  h2,
  async () => {
    await using it = await start('goaway');
    const ms = await it.send();
    assert.equal(it.seen.length, burst);
    assert.ok(ms < 30_000, `${ms} ms`);
  },
);

test(
  'a gateway whose GOAWAY names an earlier stream gets each once that it processes',
  h2,
  async () => {
    await using it = await start('goaway-early');
    const ms = await it.send();
    assert.equal(new Set(it.seen.map(({ token }) => token)).size, burst);
    assert.ok(ms < 30_000, `${ms} ms`);
  },
);

test(
  'a gateway that cuts each 200 requests is got through, and twice comes what was cut',
  h2,
  async () => {
    await using it = await start('cut');
    const ms = await it.send();
    const again = it.seen.length - burst;
    assert.equal(it.byToken().length, burst);
    assert.ok(again < burst / 2, `${again} came again`);
    assert.ok(ms < 60_000, `${ms} ms`);
  },
);

for (const [status, seconds] of [
  [429, 4],
  [503, 12],
] as const) {
  test(`Retry-After of ${status} is kept to the tenth of a second`, h2, async () => {
    await using it = await start(String(status));
    const ms = await it.send();
    assert.ok(ms < 1000 * seconds + 20_000, `${ms} ms`);
    for (const [first, second, ...more] of it.byToken()) {
      assert.ok(first);
      if (first.status === 200) assert.equal(second, undefined);
      else {
        assert.equal(second?.status, 200);
        assert.ok(second.at - first.at >= 1000 * seconds - 100, `${second.at - first.at} ms`);
      }
      assert.deepEqual(more, []);
    }
  });
}
