/** Sends any number of notifications in bounded memory: takes from the source only as fast as outcomes are taken. */
import { ApnsdError } from '../errors.js';
import type { Receipt } from './api/receipt.js';
import type { CallListener } from './calls/call.js';
import { type OutcomeSource, Outcomes } from './outcomes.js';
import type { AddressedNotification, PendingNotification } from './pending-notification.js';
import { type AnyIterable, SourceReader } from './source-reader.js';

export type { AnyIterable } from './source-reader.js';

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
  address: (item: T) => AddressedNotification;
  send: (addressed: AddressedNotification, listener: CallListener<Receipt>) => PendingNotification;
  /** Whether another call may start. */
  hasRoom: () => boolean;
  /** Resolves when another call may start. */
  waitForRoom: () => Promise<void>;
  /** How many notifications may be pending, and wait to be taken as outcomes, together. */
  limit: () => number;
  signal: AbortSignal | undefined;
}

export class NotifyMany<T> implements OutcomeSource {
  readonly outcomes = new Outcomes<Outcome>(this);
  readonly #source: SourceReader<T>;
  readonly #deps: NotifyManyDeps<T>;
  readonly #items = new Items();
  #read = 0;
  /** One object for all items. */
  readonly #itemListener: ItemListener = {
    onResult: (item, receipt) => {
      this.#items.delete(item);
      // In this order it costs a twentieth: V8 has no fast way to add a property to a copy.
      if (this.#phase === 'sending') this.outcomes.push({ index: item.index, ...receipt });
      this.#endIfDone();
    },
    onError: (item, error) => {
      this.#items.delete(item);
      this.#onError(item.index, item.addressed, error);
      this.#endIfDone();
    },
  };
  /** Nothing is sent before the first outcome is asked for, and nothing after the last. */
  #phase: 'new' | 'sending' | 'over' = 'new';
  readonly #onAbort = () => this.#abort();

  constructor(source: AnyIterable<T>, deps: NotifyManyDeps<T>) {
    this.#source = new SourceReader(source);
    this.#deps = deps;
  }

  onAsked(): void {
    if (this.#phase === 'new') this.#begin();
    this.#fill();
    this.#endIfDone(true);
  }

  /** What was sent finishes, and nobody is told; what waits is not sent. */
  async onStopped(): Promise<void> {
    if (this.#phase === 'over') return;
    this.#finish();
    for (const { pending } of this.#items.all()) {
      if (pending && !pending.inFlight) pending.fail(new Error('nobody takes its outcome'));
    }
    await this.#source.close();
  }

  #begin(): void {
    const { signal } = this.#deps;
    this.#phase = 'sending';
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  #finish(): void {
    this.#phase = 'over';
    this.#deps.signal?.removeEventListener('abort', this.#onAbort);
  }

  #fill(): void {
    while (this.#phase === 'sending' && this.#source.ready && !this.#full) {
      this.#source.read(
        (item) => this.#take(item),
        () => this.#onRead(),
      );
    }
  }

  get #full(): boolean {
    return this.#items.size + this.outcomes.waiting >= this.#deps.limit();
  }

  /** The source, or room for its item, was waited for. */
  #onRead(): void {
    this.#fill();
    this.#endIfDone();
  }

  /** Resolves, where it is not at once, when the next item can be taken. */
  #take(value: T): Promise<void> | undefined {
    if (this.#phase === 'over') return undefined;
    const index = this.#read;
    this.#read += 1;
    let addressed: AddressedNotification;
    try {
      addressed = this.#deps.address(value);
    } catch (error) {
      this.#onError(index, asGiven(value), error);
      return undefined;
    }
    if (this.#deps.hasRoom()) {
      this.#send(index, addressed);
      return undefined;
    }
    return this.#sendWithRoom(index, addressed);
  }

  async #sendWithRoom(index: number, addressed: AddressedNotification): Promise<void> {
    try {
      await this.#deps.waitForRoom();
    } catch (error) {
      this.#onError(index, addressed, error);
      throw error;
    }
    if (this.#phase === 'sending') this.#send(index, addressed);
  }

  #send(index: number, addressed: AddressedNotification): void {
    const item = new Item(index, addressed, this.#itemListener);
    item.pending = this.#deps.send(addressed, item);
    this.#items.add(item);
  }

  /** What is no error of ours is no outcome: an author's getter threw. */
  #onError(index: number, { token, id }: { token: string; id: string }, error: unknown): void {
    if (this.#phase === 'over') return;
    if (error instanceof ApnsdError) {
      this.outcomes.push({ status: 'failed', token, id, error, index });
    } else this.#source.fail(error);
  }

  /** Ends the outcomes when all were taken and another is asked for; an abort before that is thrown. */
  #endIfDone(asked = this.outcomes.awaited): void {
    if (!asked || this.#phase === 'over' || !this.#source.ended) return;
    if (this.#items.size + this.outcomes.waiting > 0) return;
    this.#finish();
    const { failure } = this.#source;
    if (failure) this.outcomes.fail(failure.reason);
    else this.outcomes.end();
  }

  #abort(): void {
    const reason: unknown = this.#deps.signal?.reason;
    this.#finish();
    this.outcomes.drop();
    this.outcomes.fail(reason);
    for (const { pending } of this.#items.all()) pending?.fail(reason);
    // The abort's reason is what is thrown, whatever the source says to its end.
    void this.#source.close().catch(() => undefined);
  }
}

interface ItemListener {
  onResult(item: Item, receipt: Receipt): void;
  onError(item: Item, error: unknown): void;
}

/** One of the source, from when it is sent to its outcome. */
class Item implements CallListener<Receipt> {
  readonly index: number;
  readonly addressed: AddressedNotification;
  pending: PendingNotification | undefined;
  /** Among {@link Items}. */
  place = 0;
  readonly #listener: ItemListener;

  constructor(index: number, addressed: AddressedNotification, listener: ItemListener) {
    this.index = index;
    this.addressed = addressed;
    this.#listener = listener;
  }

  onResult(receipt: Receipt): void {
    this.#listener.onResult(this, receipt);
  }

  onError(error: unknown): void {
    this.#listener.onError(this, error);
  }
}

/** Those that are sent. In an array, since a Set that grows and shrinks all the time leaves its old tables to the garbage collector. */
class Items {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    item.place = this.#items.push(item) - 1;
  }

  /** The last one takes its place. */
  delete(item: Item): void {
    const last = this.#items.pop();
    if (!last || last === item) return;
    this.#items[item.place] = last;
    last.place = item.place;
  }

  all(): Item[] {
    return [...this.#items];
  }
}

function asGiven(item: unknown): { token: string; id: string } {
  const token = typeof item === 'string' ? item : Object(item).token;
  return { token: typeof token === 'string' ? token : '', id: '' };
}
