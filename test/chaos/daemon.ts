/** The daemon as the command that users start; after each end it can be started again. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { keep } from '../support/leftovers.js';
import type { Life } from './ledger.js';

const command = join(import.meta.dirname, '../../dist/cli/apnsd.js');
/** Of its log, for the message where it ends by itself. */
const tailLength = 2000;

export class Daemon {
  readonly #args: string[];
  #child: ChildProcessByStdio<null, Readable, Readable> | undefined;
  /** Those that were told to end. */
  readonly #ending = new WeakSet<ChildProcess>();

  /** @param args of `apnsd serve` */
  constructor(...args: string[]) {
    this.#args = ['serve', '--listen', '127.0.0.1:0', ...args];
  }

  /** Resolves with its port, once it listens. */
  async start(): Promise<number> {
    const node = [command, ...this.#args];
    const child = keep(spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'pipe'] }));
    this.#child = child;
    let tail = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-tailLength);
    });
    child.once('close', (code, signal) => {
      // Uncaught, so that nothing goes on.
      if (!this.#ending.has(child))
        throw new Error(`the daemon ended with ${signal ?? code}:\n${tail}`);
    });
    const [line] = await once(createInterface(child.stdout), 'line');
    const [port] = /\d+$/.exec(line) ?? [];
    return Number(port);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  /** Resolves when it is gone. */
  async end(signal: Life['endedBy']): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#ending.add(child);
    const exit = once(child, 'exit');
    child.kill(signal);
    const [code] = await exit;
    if (signal === 'SIGTERM' && code !== 0) {
      throw new Error(`the daemon exited with ${code} after SIGTERM, expected 0`);
    }
  }
}
