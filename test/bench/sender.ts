/**
 * Compares senders, each in a process of its own, interleaved, against one sink in another process.
 * `node --import tsx test/bench/sender.ts [rounds] [notifications for apnsd]`; the others send a tenth of it.
 */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { certificate } from '../apns/certificate.js';
import { installed, startServer } from '../apns/servers.js';
import { senders } from './senders.js';

interface Result {
  perSecond: number;
  cpuMsPerThousand: number;
  peakRssMb: number;
}

/** In flight at once: a connection's worth of streams at Apple. */
const CONCURRENCY = 1000;

const rounds = Number(process.argv[2] ?? 3);
const count = Number(process.argv[3] ?? 200_000);
const sink = installed('nginx') ? 'nginx' : 'node:http2';
await using server = installed('nginx') ? await startServer('nginx') : await startNodeSink();

const names = Object.keys(senders);
const results = new Map<string, Result[]>(names.map((name) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
  for (const name of names) {
    const result = await measure(name, name.startsWith('apnsd') ? count : Math.ceil(count / 10));
    results.get(name)?.push(result);
    console.log(`round ${round}  ${line(name, result)}`);
  }
}

console.log(`\nNode ${process.version}, sink ${sink}, medians of ${rounds} rounds`);
const medians = new Map(names.map((name) => [name, medianOf(results.get(name) ?? [])]));
const own = medians.get('apnsd')?.cpuMsPerThousand ?? Number.NaN;
for (const [name, result] of medians) {
  const ratio = (result.cpuMsPerThousand / own).toFixed(1);
  console.log(`${line(name, result)}  ${ratio} times the CPU of apnsd`);
}

async function measure(name: string, many: number): Promise<Result> {
  const child = join(import.meta.dirname, 'send-with.ts');
  const sent = [name, server.gateway, certificate().cert, `${many}`, `${CONCURRENCY}`];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    child,
    ...sent,
  ]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

function medianOf(all: Result[]): Result {
  const median = (key: keyof Result) =>
    all.map((result) => result[key]).sort((a, b) => a - b)[Math.floor(all.length / 2)] ??
    Number.NaN;
  return {
    perSecond: median('perSecond'),
    cpuMsPerThousand: median('cpuMsPerThousand'),
    peakRssMb: median('peakRssMb'),
  };
}

function line(name: string, { perSecond, cpuMsPerThousand, peakRssMb }: Result): string {
  return [
    name.padEnd(18),
    `${Math.round(perSecond)}/s`.padStart(10),
    `${cpuMsPerThousand.toFixed(1)} ms CPU per 1,000`.padStart(26),
    `${Math.round(peakRssMb)} MB`.padStart(8),
  ].join('  ');
}

async function startNodeSink() {
  const child = fork(join(import.meta.dirname, 'sink.ts'));
  const [{ port }] = await once(child, 'message');
  return {
    gateway: `https://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill();
    },
  };
}
