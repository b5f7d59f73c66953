/**
 * A crowd before the daemon's front: idle connections, slow senders, bodies without end, and XML that is there to hurt.
 * The daemon stays small, and answers others meanwhile. Reads /proc, so that it needs Linux.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { createSimulator } from '../../src/testing/index.js';
import { call } from '../support/calling.js';
import { type Attack, endlessBody, idleConnections, largeBodies, slowSenders } from './crowd.js';

export interface SoakOptions {
  /** How many idle connections. @default 10,000 */
  idle?: number;
  /** The size of a body without end, in bytes. @default 1 GiB */
  endlessBytes?: number;
  /** How often each attack is made. @default 5 */
  rounds?: number;
  say?: (line: string) => void;
}

export interface Soaked {
  /** The most memory that the daemon ever had, in MiB. */
  peakMiB: number;
  /** Of a good `notify` meanwhile, in milliseconds. */
  medianMs: number;
  calls: number;
}

const MOST_MIB = 200;
const MOST_MS = 100;
/** File descriptors that this process needs beside those of idle connections. */
const SPARE = 1000;
/** Between good calls, and between attacks. */
const PAUSE_MS = 50;

/** Idle connections and slow senders, and bodies without end. */
export async function soakConnections(options: SoakOptions = {}): Promise<Soaked> {
  const { idle = 10_000, endlessBytes = 2 ** 30, say = () => {} } = options;
  const count = affordable(idle, say);
  // A gibibyte takes its time where others work too.
  const flags = ['--max-connections', String(idle + SPARE), '--request-timeout', '300'];
  await using stage = await start(...flags);
  await using _idle = await idleConnections(stage.url, count);
  say(`${count} idle connections: ${stage.peakMiB()} MiB`);
  return await soak(stage, [endlessBody(endlessBytes)], options);
}

/** Bodies that are there to hurt. */
export async function soakBodies(options: SoakOptions = {}): Promise<Soaked> {
  await using stage = await start();
  return await soak(stage, largeBodies(), options);
}

async function soak(
  { url, peakMiB }: Stage,
  attacks: Attack[],
  { rounds = 5, say = () => {} }: SoakOptions,
): Promise<Soaked> {
  await using _slow = slowSenders(url);
  const samples: number[] = [];
  const watched = watch(url, samples);
  for (let round = 1; round <= rounds; round += 1) {
    for (const attack of attacks) await Promise.race([make(url, attack), watched.done]);
    say(`round ${round}: ${peakMiB()} MiB at most, ${median(samples)} ms at the median`);
  }
  watched.stop();
  await watched.done;
  const soaked = { peakMiB: peakMiB(), medianMs: median(samples), calls: samples.length };
  assert.ok(soaked.peakMiB < MOST_MIB, `the daemon had ${soaked.peakMiB} MiB`);
  assert.ok(soaked.medianMs < MOST_MS, `the median was ${soaked.medianMs} ms`);
  return soaked;
}

/** As many as file descriptors allow, which Node has raised to the hard limit. */
function affordable(wanted: number, say: (line: string) => void): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const most = Number(/^Max open files +(\d+)/m.exec(limits)?.[1]) - SPARE;
  if (most < wanted) say(`${most} idle connections instead of ${wanted}: see ulimit -n`);
  return Math.min(wanted, most);
}

async function make(url: string, { name, send, says }: Attack): Promise<void> {
  for (const answer of await send(url)) assert.match(answer, says, name);
  await setTimeout(PAUSE_MS);
}

/** Makes good calls, one after the other. */
function watch(url: string, samples: number[]): { stop: () => void; done: Promise<void> } {
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

function median(samples: number[]): number {
  return Math.round(samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0);
}

interface Stage extends AsyncDisposable {
  url: string;
  peakMiB: () => number;
}

/** The command, as users start it, with the app `app`. */
async function start(...more: string[]): Promise<Stage> {
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
    peakMiB: () => peakMiB(child),
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
