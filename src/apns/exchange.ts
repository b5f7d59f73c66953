/** One request on its way from `send` to its outcome, and the line in which requests wait. */
import { ApnsUnavailableError } from '../errors.js';
import { Waiting } from './deadlines.js';
import type { ApnsRequest, Outcome, SendOptions } from './sender.js';

/** The stream that carries an exchange, as far as the exchange must know it. */
interface Carrier {
  /** True once the whole request was handed to the socket: Apple may have processed it. */
  readonly sent: boolean;
  /** Resets the stream. */
  cancel(): void;
}

/** Who is told that an exchange is over. */
interface Ledger {
  settled(exchange: Exchange): void;
  /** Why nothing can be sent at the moment, if so. */
  trouble(): Error | undefined;
}

export class Exchange extends Waiting {
  readonly request: ApnsRequest;
  /** The connection that must not carry it. */
  avoid: number | undefined;
  refusals = 0;
  /** At most one of the two: where it waits, or what carries it. */
  line: Line | undefined;
  carrier: Carrier | undefined;
  before: Exchange | undefined;
  behind: Exchange | undefined;
  /** Why it did not get through so far: the cause of the outcome, should the deadline come. */
  setback: Error | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #ledger: Ledger;
  #resolve: ((outcome: Outcome) => void) | undefined;

  constructor(
    request: ApnsRequest,
    { deadline, signal, avoid }: SendOptions,
    ledger: Ledger,
    resolve: (outcome: Outcome) => void,
  ) {
    super(deadline);
    this.request = request;
    this.avoid = avoid;
    this.#ledger = ledger;
    this.#resolve = resolve;
    this.#signal = signal;
    signal?.addEventListener('abort', this);
  }

  /** The first outcome counts; there is no second. */
  settle(outcome: Outcome): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.line?.remove(this);
    this.#signal?.removeEventListener('abort', this);
    this.#ledger.settled(this);
    resolve(outcome);
  }

  expire(): void {
    const message = this.carrier ? 'no answer by the deadline' : 'not sent by the deadline';
    this.end(new ApnsUnavailableError(message, { cause: this.setback ?? this.#ledger.trouble() }));
  }

  /** The signal's listener is the exchange itself: no closure for each request. */
  handleEvent(): void {
    if (this.#signal) this.end(abortError(this.#signal));
  }

  /** Ends it from our side, wherever it is. */
  end(cause: Error): void {
    const carrier = this.carrier;
    carrier?.cancel();
    this.settle({ kind: carrier?.sent ? 'unknown' : 'unsent', cause });
  }
}

export function abortError({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error(`cancelled: ${reason}`);
}

/** First in, first out; any member can leave at any time. */
export class Line {
  length = 0;
  bytes = 0;
  #first: Exchange | undefined;
  #last: Exchange | undefined;

  push(exchange: Exchange): void {
    this.#insert(exchange, this.#last, undefined);
  }

  /** For one that has waited before. */
  pushFront(exchange: Exchange): void {
    this.#insert(exchange, undefined, this.#first);
  }

  shift(): Exchange | undefined {
    const first = this.#first;
    if (first) this.remove(first);
    return first;
  }

  remove(exchange: Exchange): void {
    const { before, behind } = exchange;
    if (before) before.behind = behind;
    else this.#first = behind;
    if (behind) behind.before = before;
    else this.#last = before;
    exchange.before = undefined;
    exchange.behind = undefined;
    exchange.line = undefined;
    this.length -= 1;
    this.bytes -= exchange.request.body.length;
  }

  #insert(exchange: Exchange, before: Exchange | undefined, behind: Exchange | undefined): void {
    exchange.line = this;
    exchange.before = before;
    exchange.behind = behind;
    if (before) before.behind = exchange;
    else this.#first = exchange;
    if (behind) behind.before = exchange;
    else this.#last = exchange;
    this.length += 1;
    this.bytes += exchange.request.body.length;
  }
}
