/** The members of one request of `apnsd.send`, while they wait for it to be sent. */
import type { WrittenAnswer } from '../../rpc/methods.js';
import { type EncodedNotification, isSame, lengthOf } from './send-codec.js';

/** A notification on its way, as far as its request must know it. */
export interface BatchMember {
  readonly appId: string;
  readonly token: string;
  readonly id: string;
  readonly encoded: EncodedNotification;
  /** In milliseconds of performance.now. */
  readonly deadline: number;
  /** Nobody wants its answer any more. */
  readonly ended: boolean;
  /** Gets what takes it out of its request, and undefined once there is nothing to take it out of. */
  onQueued(cancel: (() => void) | undefined): void;
  onSent(): void;
  /** What the daemon said of it. */
  onAnswer(answer: WrittenAnswer): void;
  /** The session was lost before its request was sent. */
  onNotSent(): void;
  /** Its request had no answer that could be read. */
  onError(error: unknown): void;
}

/** Of shorter lists HTTP and XML-RPC cost each of them more, in longer ones each waits longer. */
export const MAX_MEMBERS = 200;
/** In characters of JSON text. */
const MAX_LENGTH = 256 * 1024;
/** What a receiver takes beside its token, and a notification beside its payload and fields. */
const RECEIVER_LENGTH = 44;
const NOTIFICATION_LENGTH = 48;

export class Batch {
  readonly members: BatchMember[] = [];
  /** Nobody else may join. */
  readonly #alone: boolean;
  #length = 0;

  constructor(alone = false) {
    this.#alone = alone;
  }

  get full(): boolean {
    return this.#alone || this.members.length >= MAX_MEMBERS;
  }

  /** False where there is no place for it; the first has one, whatever its size. */
  tryAdd(member: BatchMember): boolean {
    if (this.full && this.members.length > 0) return false;
    const { token, encoded } = member;
    const last = this.members.at(-1);
    const shared = last !== undefined && isSame(last.encoded, encoded);
    const length =
      this.#length +
      token.length +
      RECEIVER_LENGTH +
      (shared ? 0 : NOTIFICATION_LENGTH + lengthOf(encoded));
    if (last && length > MAX_LENGTH) return false;
    this.#length = length;
    this.members.push(member);
    return true;
  }
}
