/** A process with nothing of ours in it but the probe, so that it is measured as users run it. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { keep } from '../support/leftovers.js';

export interface Used {
  cpuMs: number;
  peakRssMiB: number;
  rssMiB: number;
}

const probe = pathToFileURL(join(import.meta.dirname, 'probe.mjs')).href;
/** Where `apnsd` can be imported from. */
const cwd = join(import.meta.dirname, '../..');

export class Probed {
  /** The first line that it wrote. */
  readonly said: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, said: string) {
    this.#child = child;
    this.said = said;
  }

  /** Waits for its first line. @param args of `node` */
  static async start(...args: string[]): Promise<Probed> {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', 'ipc'];
    const child = keep(spawn(process.execPath, ['--import', probe, ...args], { cwd, stdio }));
    const { stdout, stderr } = child;
    const log = text(stderr as NonNullable<typeof stderr>);
    const said = await Promise.race([
      once(stdout?.setEncoding('utf8') as NonNullable<typeof stdout>, 'data'),
      once(child, 'exit').then(async () => Promise.reject(new Error(await log))),
    ]);
    return new Probed(child, String(said).trim());
  }

  async used(): Promise<Used> {
    const answer = once(this.#child, 'message');
    this.#child.send('');
    const [used] = await answer;
    return used;
  }

  /** Ends it at once, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}
