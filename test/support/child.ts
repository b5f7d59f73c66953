/** A process of a harness's own whose functions it calls: a message each way, told apart by a number. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { keep } from './leftovers.js';

type Functions = Record<string, (...args: never[]) => unknown>;

interface Call {
  number: number;
  name: string;
  args: never[];
}

type Answer = { number: number } & ({ value?: unknown } | { error: string });

export class Child<F extends Functions> {
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #calls = 0;

  /** @param file its path; it calls {@link serve} */
  constructor(file: string) {
    this.process = keep(fork(file));
    this.process.on('message', (answer: Answer) => {
      this.#waiting.get(answer.number)?.(answer);
      this.#waiting.delete(answer.number);
    });
    this.process.once('exit', (code, signal) => {
      const error = `${basename(file)} ended with ${signal ?? code}`;
      for (const [number, answer] of this.#waiting) answer({ number, error });
    });
  }

  call<N extends keyof F & string>(
    name: N,
    ...args: Parameters<F[N]>
  ): Promise<Awaited<ReturnType<F[N]>>> {
    return new Promise((resolve, reject) => {
      this.#calls += 1;
      this.#waiting.set(this.#calls, (answer) => {
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.value as Awaited<ReturnType<F[N]>>);
      });
      this.process.send({ number: this.#calls, name, args } satisfies Call);
    });
  }

  /** Ends it at once, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.process;
    if ((exitCode ?? signalCode) !== null) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exit;
  }
}

/** The other end: answers the calls of the process that forked this one, and ends with it. */
export function serve(functions: Functions): void {
  process.on('message', async ({ number, name, args }: Call) => {
    const answer = (answer: Answer) => process.send?.(answer);
    try {
      answer({ number, value: await functions[name]?.(...args) });
    } catch (error) {
      answer({ number, error: String(error) });
    }
  });
  process.once('disconnect', () => process.exit());
}
