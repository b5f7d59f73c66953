/** The daemon that a soak has before it, as a process of its own, and the good calls that it has to answer meanwhile. Reads /proc, so that it needs Linux. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { createSimulator, type Simulator } from '../../src/testing/index.js';
import { call } from '../support/calling.js';

/** Between good calls, and between attacks. */
export const PAUSE_MS = 50;

/** Makes good calls, one after the other. */
export function watch(url: string, samples: number[]): { stop: () => void; done: Promise<void> } {
  let stopped = false;
  const go = async () => {
    while (!stopped) {
      const before = performance.now();
      await call(url, 'notify', 'app', 'ab'.repeat(32), { aps: { alert: 'Hello' } });
      samples.push(performance.now() - before);
      await setTimeout(PAUSE_MS);
    }
  };
  return {
    stop() {
      stopped = true;
    },
    done: go(),
  };
}

/** In whole milliseconds. */
export function median(samples: number[]): number {
  return Math.round(samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0);
}

export interface Stage extends AsyncDisposable {
  url: string;
  simulator: Simulator;
  /** The most memory that it ever had. */
  peakMiB: () => number;
  /** Resolves once it has ended after SIGTERM, with its exit code. */
  end: () => Promise<number | null>;
}

/** The command, as users start it, with the app `app`. */
export async function start(...more: string[]): Promise<Stage> {
  const simulator = await createSimulator({ remember: false });
  const folder = mkdtempSync(join(tmpdir(), 'apnsd-soak-'));
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, simulator.ca);
  const command = join(import.meta.dirname, '../../dist/cli/apnsd.js');
  const flags = ['--listen', '127.0.0.1:0', '--gateway', `sandbox=${simulator.url}`, '--ca', ca];
  const child = spawn(process.execPath, [command, 'serve', ...flags, ...more], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), exited]);
  const [url = assert.fail(`it did not listen: ${line}`)] = /http:\S+/.exec(String(line)) ?? [];
  await call(url, 'provision', 'app', simulator.certificate, 'sandbox');
  return {
    url,
    simulator,
    peakMiB: () => peakMiB(child),
    async end() {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await simulator.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function peakMiB({ pid, exitCode }: ChildProcess): number {
  assert.equal(exitCode, null, 'the daemon died');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
}
