/** Sends any number of notifications in bounded memory: takes from the source only as fast as outcomes are taken. */
import { ApnsdError } from '../errors.js';
import type { Call } from './call.js';
import type { Receipt } from './receipt.js';
import type { Letter } from './send.js';

export type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

/** What became of one notification; `index` is its place in the source, from 0. */
export type Outcome = (Receipt | FailedOutcome) & { index: number };

/** Where `notify` would have thrown. */
export interface FailedOutcome {
  status: 'failed';
  /** As it was given, where it is wrong. */
  token: string;
  /** Empty where the notification was wrong, and so never had one. */
  id: string;
  error: ApnsdError;
}

export interface Surroundings<T> {
  /** @throws ApnsdError for an item that can't be sent */
  write: (item: T) => Letter;
  start: (letter: Letter) => Call<Receipt>;
  /** Whether another call may start. */
  hasRoom: () => boolean;
  /** Resolves when it may. */
  room: () => Promise<void>;
  /** How many may be under way, and wait to be taken as outcomes, together. */
  limit: () => number;
  signal: AbortSignal | undefined;
}

type Source<T> = Iterator<T> | AsyncIterator<T>;

export class Many<T> {
  readonly #source: Source<T>;
  readonly #around: Surroundings<T>;
  readonly #open = new Set<Call<Receipt>>();
  #outcomes: Outcome[] = [];
  /** Outcomes that are being handed over. */
  #handing = 0;
  #next = 0;
  /** The source was asked for its next, or an item waits for room. */
  #busy = false;
  /** There is nothing more to start, by the source's end or by its error. */
  #end: { error?: unknown } | undefined;
  #stopped = false;
  #wake = () => {};

  constructor(source: AnyIterable<T>, around: Surroundings<T>) {
    this.#source =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#around = around;
  }

  async *outcomes(): AsyncGenerator<Outcome, void, undefined> {
    const { signal } = this.#around;
    const onAbort = () => this.#abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#fill();
        if (this.#outcomes.length > 0) {
          const outcomes = this.#outcomes;
          this.#outcomes = [];
          this.#handing = outcomes.length;
          for (const outcome of outcomes) {
            this.#handing -= 1;
            yield outcome;
            signal?.throwIfAborted();
            this.#fill();
          }
        } else if (this.#end && !this.#busy && this.#open.size === 0) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#stop();
    }
  }

  get #full(): boolean {
    return this.#open.size + this.#outcomes.length + this.#handing >= this.#around.limit();
  }

  #fill(): void {
    while (!this.#end && !this.#busy && !this.#stopped && !this.#full) {
      try {
        const next = this.#source.next();
        if ('then' in next) this.#wait(next, (result) => this.#take(result));
        else this.#take(next);
      } catch (error) {
        this.#end = { error };
      }
    }
  }

  /** Nothing else is taken from the source meanwhile. */
  #wait<V>(promise: Promise<V>, then: (value: V) => void): void {
    this.#busy = true;
    promise
      .then((value) => {
        this.#busy = false;
        if (!this.#stopped) then(value);
        this.#fill();
      })
      .catch((error) => {
        this.#busy = false;
        this.#end = { error };
      })
      .finally(() => this.#wake());
  }

  #take({ done, value }: IteratorResult<T>): void {
    if (done) {
      this.#end = {};
      return;
    }
    const index = this.#next;
    this.#next += 1;
    let letter: Letter;
    try {
      letter = this.#around.write(value);
    } catch (error) {
      this.#failed(index, asGiven(value), error);
      return;
    }
    if (this.#around.hasRoom()) this.#start(index, letter);
    else {
      const room = this.#around.room().catch((error) => {
        this.#failed(index, letter, error);
        throw error;
      });
      this.#wait(room, () => this.#start(index, letter));
    }
  }

  #start(index: number, letter: Letter): void {
    const call = this.#around.start(letter);
    this.#open.add(call);
    call.promise.then(
      (receipt) => {
        this.#open.delete(call);
        this.#outcomes.push({ ...receipt, index });
        this.#wake();
      },
      (error) => {
        this.#open.delete(call);
        this.#failed(index, letter, error);
        this.#wake();
      },
    );
  }

  /** What is no error of ours is no outcome: an author's getter threw. */
  #failed(index: number, { token, id }: Pick<Letter, 'token' | 'id'>, error: unknown): void {
    if (this.#stopped) return;
    if (error instanceof ApnsdError) {
      this.#outcomes.push({ status: 'failed', token, id, error, index });
    } else this.#end = { error };
  }

  #abort(reason: unknown): void {
    this.#stopped = true;
    for (const call of this.#open) call.fail(reason);
    this.#wake();
  }

  /** What has left finishes, and nobody is told; what waits is not sent. */
  async #stop(): Promise<void> {
    this.#stopped = true;
    for (const call of this.#open) {
      if (!call.underWay) call.fail(new Error('nobody takes its outcome'));
    }
    if (this.#end) return;
    const returned = (async () => this.#source.return?.())();
    // A source that is asked for its next may answer this only afterwards; an abort has its own reason.
    if (this.#busy || this.#around.signal?.aborted) returned.catch(() => undefined);
    else await returned;
  }
}

function asGiven(item: unknown): Pick<Letter, 'token' | 'id'> {
  const token = typeof item === 'string' ? item : Object(item).token;
  return { token: typeof token === 'string' ? token : '', id: '' };
}
