/** Runs the command `apnsd` as a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const apnsd = join(import.meta.dirname, '../../src/cli/apnsd.ts');

const node = ['--import', 'tsx', '--throw-deprecation', '--pending-deprecation'];

/** What node is given to run it, for a test that looks after its streams by itself. */
export function nodeArguments(...argv: string[]): string[] {
  return [...node, apnsd, ...argv];
}

function start(argv: string[]): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, nodeArguments(...argv), { stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface Ended {
  /** Null after a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Waits for its end. */
export async function run(...argv: string[]): Promise<Ended> {
  const child = start(argv);
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'close'),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

export interface Served {
  url: string;
  /** Of the log. */
  lines: string[];
  stderr: Readable;
  signal: (signal: NodeJS.Signals) => void;
  /** Resolves once there are so many lines of the event in the log. @default 1 */
  logged: (event: string, count?: number) => Promise<void>;
  /** Resolves with exit code and signal. */
  ended: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Waits until it listens. */
export async function serve(...argv: string[]): Promise<Served> {
  const child = start(['serve', '--listen', '127.0.0.1:0', ...argv]);
  const ended = once(child, 'close') as Served['ended'];
  const lines: string[] = [];
  const log = createInterface(child.stderr).on('line', (line) => lines.push(line));
  const first = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  const [, url] = /^apnsd listening on (\S+)$/.exec(String(first[0])) ?? [];
  if (url === undefined) throw new Error(`it did not listen: ${lines.join('\n')}`);
  return {
    url,
    lines,
    stderr: child.stderr,
    signal: (signal) => child.kill(signal),
    async logged(event, count = 1) {
      const wanted = `"event":"${event}"`;
      const found = () => lines.filter((line) => line.includes(wanted)).length;
      while (found() < count) await once(log, 'line');
    },
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
