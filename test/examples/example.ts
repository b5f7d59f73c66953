/** An example as a reader starts it: a process of its own, in which nothing deprecated may be called. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/** Ends a process that hangs, so that its test fails and leaves nothing behind; it measures no speed. */
const defaultLimitMs = 50_000;

export interface Ending {
  code: number | null;
  stdout: string;
  stderr: string;
}

export class Example implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ending>;
  readonly #lines: string[] = [];
  #closed = false;
  #onLine = () => {};

  constructor(name: string, env: NodeJS.ProcessEnv = {}, limitMs = defaultLimitMs) {
    const root = join(import.meta.dirname, '../..');
    const child = spawn(process.execPath, ['--import', 'tsx', `examples/${name}`], {
      cwd: root,
      // Not as arguments: the processes that an example starts are to have them too.
      env: { ...process.env, NODE_OPTIONS: '--throw-deprecation --pending-deprecation', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      this.#onLine();
    });
    this.ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
      ([stdout, stderr, [code]]) => ({ code, stdout, stderr }),
    );
    const timer = setTimeout(() => this.#end(), limitMs);
    void this.ended.then(() => {
      clearTimeout(timer);
      this.#closed = true;
      this.#onLine();
    });
  }

  /** Resolves with what the pattern finds in the first line that it fits. */
  async find(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.#lines) {
        const found = pattern.exec(line);
        if (found) return found;
      }
      if (this.#closed) {
        const { stdout, stderr } = await this.ended;
        throw new Error(`it ended without ${pattern}:\n${stdout}${stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.ended;
  }

  /** Asks first, since what an example has started is its own to end; one that doesn't listen is killed. */
  #end(): void {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 3000);
    void this.ended.then(() => clearTimeout(timer));
  }
}
