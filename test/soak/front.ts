/**
 * A crowd before the daemon's front: idle connections, slow senders, bodies without end, and XML that is there to hurt.
 * The daemon stays small, and answers others meanwhile. Reads /proc, so that it needs Linux.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type Attack, endlessBody, idleConnections, largeBodies, slowSenders } from './crowd.js';
import { median, PAUSE_MS, type Stage, start, watch } from './stage.js';

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
