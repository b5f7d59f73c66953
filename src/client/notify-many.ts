/** Sends any number of notifications in bounded memory: takes from the source only as fast as outcomes are taken. */
import { ApnsdError } from '../errors.js';
import type { Receipt } from './api/receipt.js';
import type { Letter } from './batching/send-codec.js';
import type { Call, Caller } from './calls/call.js';
import { type OutcomeSource, Outcomes } from './outcomes.js';

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

export interface NotifyManyDeps<T> {
  /** @throws ApnsdError for an item that can't be sent */
  write: (item: T) => Letter;
  start: (letter: Letter, caller: Caller<Receipt>) => Call<Receipt>;
  /** Whether another call may start. */
  hasRoom: () => boolean;
  /** Resolves when it may. */
  room: () => Promise<void>;
  /** How many may be under way, and wait to be taken as outcomes, together. */
  limit: () => number;
  signal: AbortSignal | undefined;
}

type Source<T> = Iterator<T> | AsyncIterator<T>;

export class NotifyMany<T> implements OutcomeSource {
  readonly outcomes = new Outcomes<Outcome>(this);
  readonly #source: Source<T>;
  readonly #around: NotifyManyDeps<T>;
  readonly #open: Item[] = [];
  #next = 0;
  /** The source was asked for its next, or an item waits for room. */
  #busy = false;
  /** There is nothing more to start, by the source's end or by its error. */
  #end: { error?: unknown } | undefined;
  #begun = false;
  #stopped = false;
  readonly #onAbort = () => this.#abort();

  constructor(source: AnyIterable<T>, around: NotifyManyDeps<T>) {
    this.#source =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#around = around;
  }

  onAsked(): void {
    if (!this.#begun) this.#begin();
    this.#fill();
    this.#look(true);
  }

  /** What has left finishes, and nobody is told; what waits is not sent. */
  async onStopped(): Promise<void> {
    if (this.#stopped) return;
    this.#finish();
    for (const { call } of [...this.#open]) {
      if (call && !call.underWay) call.fail(new Error('nobody takes its outcome'));
    }
    await this.#closeSource();
  }

  async #closeSource(): Promise<void> {
    if (this.#end) return;
    const returned = (async () => this.#source.return?.())();
    // A source that is asked for its next may answer this only afterwards; an abort has its own reason.
    if (this.#busy || this.#around.signal?.aborted) returned.catch(() => undefined);
    else await returned;
  }

  /** Told by the item. */
  succeeded(item: Item, receipt: Receipt): void {
    this.#close(item);
    // In this order it costs a twentieth: V8 has no fast way to add a property to a copy.
    if (!this.#stopped) this.outcomes.push({ index: item.index, ...receipt });
    this.#look();
  }

  /** Told by the item. */
  failed(item: Item, error: unknown): void {
    this.#close(item);
    this.#failed(item.index, item.letter, error);
    this.#look();
  }

  #begin(): void {
    const { signal } = this.#around;
    this.#begun = true;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  #finish(): void {
    this.#stopped = true;
    this.#around.signal?.removeEventListener('abort', this.#onAbort);
  }

  get #full(): boolean {
    return this.#open.length + this.outcomes.waiting >= this.#around.limit();
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
      .finally(() => this.#look());
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
    const item = new Item(index, letter, this);
    item.call = this.#around.start(letter, item);
    item.place = this.#open.push(item) - 1;
  }

  /** The last one takes its place. */
  #close(item: Item): void {
    const last = this.#open.pop();
    if (!last || last === item) return;
    this.#open[item.place] = last;
    last.place = item.place;
  }

  /** What is no error of ours is no outcome: an author's getter threw. */
  #failed(index: number, { token, id }: Pick<Letter, 'token' | 'id'>, error: unknown): void {
    if (this.#stopped) return;
    if (error instanceof ApnsdError) {
      this.outcomes.push({ status: 'failed', token, id, error, index });
    } else this.#end = { error };
  }

  /** Ends the outcomes when all were taken and another is asked for; an abort before that is thrown. */
  #look(asked = this.outcomes.awaited): void {
    if (!asked || this.#stopped || !this.#end || this.#busy) return;
    if (this.#open.length + this.outcomes.waiting > 0) return;
    this.#finish();
    if ('error' in this.#end) this.outcomes.fail(this.#end.error);
    else this.outcomes.end();
  }

  #abort(): void {
    const reason: unknown = this.#around.signal?.reason;
    this.#finish();
    this.outcomes.drop();
    this.outcomes.fail(reason);
    for (const { call } of [...this.#open]) call?.fail(reason);
    void this.#closeSource();
  }
}

/** One that is under way. */
class Item implements Caller<Receipt> {
  readonly index: number;
  readonly letter: Letter;
  call: Call<Receipt> | undefined;
  /** Among those that are open. */
  place = 0;
  readonly #many: Pick<NotifyMany<never>, 'succeeded' | 'failed'>;

  constructor(
    index: number,
    letter: Letter,
    many: Pick<NotifyMany<never>, 'succeeded' | 'failed'>,
  ) {
    this.index = index;
    this.letter = letter;
    this.#many = many;
  }

  succeed(receipt: Receipt): void {
    this.#many.succeeded(this, receipt);
  }

  fail(error: unknown): void {
    this.#many.failed(this, error);
  }
}

function asGiven(item: unknown): Pick<Letter, 'token' | 'id'> {
  const token = typeof item === 'string' ? item : Object(item).token;
  return { token: typeof token === 'string' ? token : '', id: '' };
}
