/** One request of `apnsd.send` that fills while it waits to leave. */

import type { WrittenAnswer } from '../../rpc/methods.js';
import type { Call } from '../calls/call.js';
import { isSame, type Letter, lengthOf } from './send-codec.js';

/** A call that waits for its request to leave, or for the answer. */
export interface Member {
  readonly call: Call;
  readonly letter: Letter;
  /** With undefined where it did not leave: its footing is gone. */
  answered(answer: WrittenAnswer | undefined): void;
  failed(error: unknown): void;
  /** Told where its call ends first, once the request has left. */
  left: (() => void) | undefined;
}

/** Of shorter lists HTTP and XML-RPC cost each of them more, in longer ones each waits longer. */
export const maxMembers = 200;
/** In characters of JSON text. */
const maxLength = 256 * 1024;
/** What a receiver takes beside its token, and a notification beside its payload and fields. */
const receiverLength = 44;
const notificationLength = 48;

export class Batch {
  readonly members: Member[] = [];
  /** Nobody else may join. */
  readonly #alone: boolean;
  #length = 0;

  constructor(alone = false) {
    this.#alone = alone;
  }

  get full(): boolean {
    return this.#alone || this.members.length >= maxMembers;
  }

  /** False where there is no place for it; the first has one, whatever its size. */
  tryAdd(member: Member): boolean {
    if (this.full && this.members.length > 0) return false;
    const { token, encoded } = member.letter;
    const last = this.members.at(-1);
    const shared = last !== undefined && isSame(last.letter.encoded, encoded);
    const length =
      this.#length +
      token.length +
      receiverLength +
      (shared ? 0 : notificationLength + lengthOf(encoded));
    if (last && length > maxLength) return false;
    this.#length = length;
    this.members.push(member);
    return true;
  }
}
