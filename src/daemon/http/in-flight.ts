/** The calls in flight: whether there is room for one more, for its body, and for its answer. */
import { OverloadedError } from '../../errors.js';
import type { Room } from '../../rpc/xml.js';
import type { Limits } from '../config/limits.js';
import type { Refusal } from './access.js';

/** Nil must find room: a caller that hears a fault in its place sends its notifications again. */
const minShareBytes = 1024;

export class InFlight {
  readonly limits: Pick<Limits, 'maxBodyBytes' | 'maxCalls' | 'maxCallBytes' | 'maxAnswerBytes'>;
  calls = 0;
  /** Of their bodies. */
  bytes = 0;
  /** Of their answers, until they are taken. */
  answerBytes = 0;

  constructor(limits: InFlight['limits']) {
    this.limits = limits;
  }
}

/** One of them, from its headers to the end of its answer; what is refused takes no room. */
export class CallInFlight implements Room {
  /** Why it is not made. */
  refusal: Refusal | OverloadedError | undefined;
  readonly #all: InFlight;
  readonly #counted: boolean;
  #bytes = 0;
  #answerBytes = 0;

  constructor(all: InFlight, refusal: Refusal | undefined) {
    this.#all = all;
    this.refusal = refusal;
    const { maxCalls } = all.limits;
    if (all.calls >= maxCalls) {
      this.refusal ??= new OverloadedError(`${maxCalls} calls are in flight, which is the limit`);
    }
    this.#counted = this.refusal === undefined;
    if (this.#counted) all.calls += 1;
  }

  /**
   * Whether so many more bytes of its body are to be kept; if not, nor is what was kept before. Its share is, whatever
   * the others hold: a few callers that hold back large bodies must not shut out all small ones.
   */
  keeps(bytes: number): boolean {
    if (this.refusal) return false;
    const { maxBodyBytes, maxCallBytes, maxCalls } = this.#all.limits;
    const share = maxCallBytes / maxCalls;
    this.#count(bytes);
    if (this.#bytes > maxBodyBytes) {
      this.refusal = { status: 413, reason: `the body is over ${maxBodyBytes} bytes` };
    } else if (this.#all.bytes > maxCallBytes && this.#bytes > share) {
      const reason = `the calls in flight are over ${maxCallBytes} bytes, which is the limit`;
      this.refusal = new OverloadedError(reason);
    } else return true;
    this.#count(-this.#bytes);
    return false;
  }

  /**
   * Room for so many more bytes of its answer, as for its body.
   * @throws OverloadedError
   */
  take(bytes: number): void {
    const { maxAnswerBytes, maxCalls } = this.#all.limits;
    const share = Math.max(maxAnswerBytes / maxCalls, minShareBytes);
    this.#countAnswer(bytes);
    if (this.#all.answerBytes <= maxAnswerBytes || this.#answerBytes <= share) return;
    this.#countAnswer(-bytes);
    throw new OverloadedError(
      `the answers that wait to be taken are over ${maxAnswerBytes} bytes, which is the limit`,
    );
  }

  giveBack(bytes: number): void {
    this.#countAnswer(-bytes);
  }

  end(): void {
    if (this.#counted) this.#all.calls -= 1;
    this.#count(-this.#bytes);
    this.dropAnswer();
  }

  dropAnswer(): void {
    this.#countAnswer(-this.#answerBytes);
  }

  #countAnswer(bytes: number): void {
    this.#answerBytes += bytes;
    this.#all.answerBytes += bytes;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#all.bytes += bytes;
  }
}
