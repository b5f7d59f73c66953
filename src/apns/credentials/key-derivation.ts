/**
 * Derives keys from passphrases. That takes as many rounds as a file asks for, so it is done in a thread of its own,
 * one at a time, what is quick before what is not: the daemon answers others meanwhile, and so does the pool of threads that looks up names.
 */
import { Worker } from 'node:worker_threads';
import { OverloadedError } from '../../errors.js';

export type Derivation =
  | {
      kind: 'pbkdf2';
      passphrase: string;
      salt: Uint8Array;
      rounds: number;
      length: number;
      digest: string;
    }
  /** SHA-1 of the input, of that, and so on. */
  | { kind: 'sha1'; input: Uint8Array; rounds: number };

/** A text, since a bundle has no file for it. */
const program = `
const { hash, pbkdf2Sync } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
parentPort.on('message', (wanted) => parentPort.postMessage(derive(wanted)));
function derive({ kind, passphrase, salt, rounds, length, digest, input }) {
  if (kind === 'pbkdf2') return pbkdf2Sync(passphrase, salt, rounds, length, digest);
  for (let round = 0; round < rounds; round += 1) input = hash('sha1', input, 'buffer');
  return input;
}
`;

const maxWaiting = 100;
/** A thread takes some 30 ms to start, and a file needs several keys. */
const idleMs = 1000;

/** Enough for what it does; without them it would leave 16 MiB of hashes lie about. */
const limits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 };

interface Job {
  derivation: Derivation;
  done: (key: Buffer) => void;
  failed: (error: Error) => void;
}

class KeyDerivation {
  readonly #waiting: Job[] = [];
  #running: Job | undefined;
  #thread: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  async derive(derivation: Derivation, signal?: AbortSignal): Promise<Buffer> {
    if (signal?.aborted) throw calledOff();
    if (this.#waiting.length >= maxWaiting) {
      throw new OverloadedError(`${maxWaiting} keys wait to be derived, which is the limit`);
    }
    let stop = () => {};
    const derived = new Promise<Buffer>((done, failed) => {
      const job = { derivation, done, failed };
      stop = () => this.#callOff(job);
      this.#waiting.push(job);
    });
    signal?.addEventListener('abort', stop);
    this.#next();
    return derived.finally(() => signal?.removeEventListener('abort', stop));
  }

  #callOff(job: Job): void {
    job.failed(calledOff());
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (job !== this.#running) return;
    // The next one waits for the thread's end: it can't leave OpenSSL, and callers who come and go must not fill the machine with threads.
    this.#thread?.removeAllListeners('message');
    void this.#thread?.terminate();
  }

  #next(): void {
    if (this.#running) return;
    this.#running = this.#takeQuickest();
    if (!this.#running) {
      this.#rest();
      return;
    }
    clearTimeout(this.#idle);
    try {
      this.#thread ??= this.#start();
      this.#thread.ref();
      this.#thread.postMessage(this.#running.derivation);
    } catch (error) {
      this.#end()?.failed(noThread(error as Error));
    }
  }

  #takeQuickest(): Job | undefined {
    const [first, ...others] = this.#waiting;
    if (!first) return undefined;
    const quickest = others.reduce(
      (best, job) => (job.derivation.rounds < best.derivation.rounds ? job : best),
      first,
    );
    this.#waiting.splice(this.#waiting.indexOf(quickest), 1);
    return quickest;
  }

  #start(): Worker {
    const thread = new Worker(program, { eval: true, execArgv: [], resourceLimits: limits });
    thread.on('message', (key: Uint8Array) => this.#end()?.done(Buffer.from(key)));
    thread.once('error', (error) => this.#running?.failed(noThread(error)));
    thread.once('exit', () => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      this.#end()?.failed(calledOff());
    });
    return thread;
  }

  /** What ran, which is told after the next one has begun. */
  #end(): Job | undefined {
    const job = this.#running;
    this.#running = undefined;
    this.#next();
    return job;
  }

  #rest(): void {
    const thread = this.#thread;
    if (!thread) return;
    thread.unref();
    this.#idle = setTimeout(() => {
      this.#thread = undefined;
      void thread.terminate();
    }, idleMs).unref();
  }
}

function calledOff(): OverloadedError {
  return new OverloadedError('the key is not derived: the daemon stops, or its caller is gone');
}

function noThread(cause: Error): OverloadedError {
  return new OverloadedError(`there is no thread to derive a key in: ${cause.message}`, { cause });
}

const derivations = new KeyDerivation();

/**
 * @param signal ends the waiting, and the thread
 * @throws OverloadedError when too many wait, the signal is aborted, or there can be no thread
 */
export function deriveKey(derivation: Derivation, signal?: AbortSignal): Promise<Buffer> {
  return derivations.derive(derivation, signal);
}
