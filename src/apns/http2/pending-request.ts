/** One request on its way from `send` to its outcome. */

import { endWith, endWithout } from '../../abort.js';
import { ApnsUnavailableError } from '../../errors.js';
import type { ApnsRequest, Outcome, SendOptions } from '../sender.js';
import { Waiting } from './deadlines.js';
import { type FairQueue, Flow, type FlowQueue, type Queued } from './fair-queue.js';
import type { ServicePause } from './service-pause.js';

/** The stream that carries an exchange, as far as the exchange must know it. */
interface RequestStream {
  /** True once the whole request was handed to the socket: Apple may have processed it. */
  readonly sent: boolean;
  /** Resets the stream. */
  cancel(): void;
}

/** Who is told that an exchange is over. */
interface PendingRequestListener {
  onSettled(exchange: PendingRequest): void;
  /** Why nothing can be sent at the moment, if so. */
  trouble(): Error | undefined;
}

/** Of requests that come alone. */
const noFlow = new Flow();

export class PendingRequest extends Waiting implements Queued<PendingRequest> {
  readonly request: ApnsRequest;
  readonly flow: Flow;
  readonly expiration: number | undefined;
  /** The connection that must not carry it. */
  avoid: number | undefined;
  refusals = 0;
  /** The pause after which it left, which counts what is under way. */
  pause: ServicePause | undefined;
  /** At most one of the two: where it waits, or what carries it. */
  line: FairQueue<PendingRequest> | undefined;
  lane: FlowQueue<PendingRequest> | undefined;
  carrier: RequestStream | undefined;
  before: PendingRequest | undefined;
  behind: PendingRequest | undefined;
  /** Why it did not get through so far: the cause of the outcome, should the deadline come. */
  setback: Error | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #ledger: PendingRequestListener;
  #resolve: ((outcome: Outcome) => void) | undefined;

  constructor(
    request: ApnsRequest,
    { deadline, signal, avoid, expiration, flow = noFlow }: SendOptions,
    ledger: PendingRequestListener,
    resolve: (outcome: Outcome) => void,
  ) {
    super(deadline);
    this.request = request;
    this.avoid = avoid;
    this.flow = flow;
    this.expiration = expiration;
    this.#ledger = ledger;
    this.#resolve = resolve;
    this.#signal = signal;
    if (signal) endWith(signal, this);
  }

  get bodyBytes(): number {
    return this.request.body.length;
  }

  /** The first outcome counts; there is no second. */
  settle(outcome: Outcome): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.line?.remove(this);
    if (this.#signal) endWithout(this.#signal, this);
    this.#ledger.onSettled(this);
    resolve(outcome);
  }

  expire(): void {
    const cause = this.setback ?? this.#ledger.trouble();
    const message = this.carrier
      ? 'no answer by the deadline'
      : `not sent by the deadline${cause ? `: ${cause.message}` : ''}`;
    this.end(new ApnsUnavailableError(message, { cause }));
  }

  abort(signal: AbortSignal): void {
    this.end(abortError(signal));
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
