/** One request and its answer: with a deadline, and an error of ours for whatever goes wrong. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { DaemonUnavailableError, InvalidArgumentError } from '../../errors.js';
import { errorOf, Fault } from '../../rpc/faults.js';
import { decodeAnswer } from '../../rpc/xml.js';
import type { DaemonConnections } from './connections.js';
import { refusalOf, unreachable, wasClosedUnderUs } from './failure.js';
import type { RequestOptions } from './request-options.js';

export class RpcRequest {
  /** Rejects with ApnsdError, or with the reason why it was given up. */
  readonly answer: Promise<unknown>;
  /** It failed since the daemon had closed a kept connection. */
  closedUnderUs = false;
  readonly #wire: DaemonConnections;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = () => this.#giveUpOnSilence(this.#signal?.reason);
  #resolve!: (answer: unknown) => void;
  #reject!: (reason: unknown) => void;
  #request: ClientRequest | undefined;
  #over = false;

  constructor(wire: DaemonConnections, method: string, params: unknown[], options: RequestOptions) {
    const { timeoutMs, signal, onCancellable } = options;
    this.#wire = wire;
    this.#signal = signal;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => {
      const reason = `${wire.shown} did not answer in ${timeoutMs} ms`;
      this.#giveUpOnSilence(new DaemonUnavailableError(reason));
    }, timeoutMs);
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
    onCancellable?.((reason) => this.#giveUpOnSilence(reason));
    if (!this.#over) this.#send(method, params);
  }

  #send(method: string, params: unknown[]): void {
    try {
      this.#request = this.#wire.send(method, params, {
        answers: (response) => this.#read(response),
        failed: (error) => this.#failed(error),
      });
    } catch (error) {
      // The package's serializer throws at characters that XML can't carry, and quotes the whole text, which may be a key.
      this.#giveUp(withoutQuote(error as Error));
    }
  }

  #read(response: IncomingMessage): void {
    const { shown } = this.#wire;
    const maxBytes = this.#wire.maxAnswerBytes();
    const refusal = refusalOf(response, shown);
    if (refusal) {
      this.#giveUp(refusal);
      return;
    }
    const pieces: Buffer[] = [];
    let bytes = 0;
    response.on('data', (piece: Buffer) => {
      bytes += piece.length;
      pieces.push(piece);
      if (bytes <= maxBytes) return;
      pieces.length = 0;
      const what = `${shown} answered more than ${maxBytes} bytes, expected at most maxAnswerBytes`;
      this.#giveUp(new DaemonUnavailableError(what));
    });
    response.once('error', (error) => this.#giveUp(unreachable(error, shown)));
    response.once('end', () => this.#answered(Buffer.concat(pieces), response));
  }

  #answered(body: Buffer, { headers }: IncomingMessage): void {
    if (this.#over) return;
    let answer: unknown;
    try {
      answer = decodeAnswer(body, headers['content-type']);
    } catch (cause) {
      const what = `${this.#wire.shown} answered what is not XML-RPC`;
      this.#giveUp(new DaemonUnavailableError(what, { cause }));
      return;
    }
    this.#finish();
    if (answer instanceof Fault) this.#reject(errorOf(answer));
    else this.#resolve(answer);
  }

  #failed(error: Error): void {
    // A request that was given up has an error of its own.
    if (this.#over) return;
    this.closedUnderUs = this.#request !== undefined && wasClosedUnderUs(this.#request, error);
    this.#giveUp(unreachable(error, this.#wire.shown));
  }

  #giveUp(reason: unknown): void {
    this.#finish();
    this.#reject(reason);
    // Of a connection that has not brought an answer, nobody knows what else it brings.
    this.#request?.destroy();
  }

  #giveUpOnSilence(reason: unknown): void {
    if (this.#over) return;
    this.#giveUp(reason);
    // Where the network has gone without a word, it took them along.
    this.#wire.dropIdle();
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

function withoutQuote(error: Error): InvalidArgumentError {
  if (error.message.startsWith('Invalid character (')) {
    return new InvalidArgumentError('a parameter has a character that XML can not carry');
  }
  return new InvalidArgumentError(`a parameter can't be sent: ${error.message}`, { cause: error });
}
