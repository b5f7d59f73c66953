/** A notification's first attempt, which is nearly always enough: one object that its request tells, without a promise. */
import type { WrittenAnswer } from '../rpc/methods.js';
import { type Receipt, receiptOf } from './api/receipt.js';
import type { Member } from './batching/batch.js';
import type { QueueName } from './batching/batchers.js';
import type { Letter } from './batching/send-codec.js';
import type { Awaited, Call } from './calls/call.js';
import type { DaemonSession } from './healing/daemon-session.js';

/** Gives what the daemon answered, which is no receipt; throws where there is no answer. */
export type FirstOutcome = () => WrittenAnswer | undefined;

/** Told how first attempts ended. */
export interface Surroundings {
  /** With Apple's answer. */
  succeeded: (attempt: FirstAttempt, receipt: Receipt) => void;
  /** With anything else. */
  ended: (attempt: FirstAttempt, outcome: FirstOutcome) => void;
}

export class FirstAttempt implements Member, Awaited {
  readonly call: Call<Receipt>;
  readonly letter: Letter;
  readonly footing: DaemonSession;
  readonly lane: QueueName;
  left: (() => void) | undefined;
  readonly #around: Surroundings;

  constructor(
    call: Call<Receipt>,
    letter: Letter,
    footing: DaemonSession,
    lane: QueueName,
    around: Surroundings,
  ) {
    this.call = call;
    this.letter = letter;
    this.footing = footing;
    this.lane = lane;
    this.#around = around;
    call.awaited = this;
  }

  answered(answer: WrittenAnswer | undefined): void {
    const { call, letter } = this;
    if (call.ended) return;
    call.awaited = undefined;
    const receipt = answer && receiptOf(answer, letter, call.attempts);
    if (receipt) this.#around.succeeded(this, receipt);
    else this.#around.ended(this, () => answer);
  }

  failed(error: unknown): void {
    if (this.call.ended) return;
    this.call.awaited = undefined;
    this.#around.ended(this, () => {
      throw error;
    });
  }

  leave(): void {
    this.left?.();
  }
}
