/** Writes the answer to one call: within the room that the answers have, and in turns with other work. */
import { type Room, type Writable, type Written, writeAnswer, XmlWriter } from '../../rpc/xml.js';
import { free } from './body.js';
import type { Turn } from './turns.js';

export interface AnswerWriterOptions {
  /** The clock that dates show. */
  time: 'local' | 'utc';
  room: Room;
  turn: Turn;
}

export class AnswerWriter {
  readonly #options: AnswerWriterOptions;

  constructor(options: AnswerWriterOptions) {
    this.#options = options;
  }

  /** Its caller's turn in a work that is longer than some milliseconds. */
  get turn(): Turn {
    return this.#options.turn;
  }

  /**
   * Takes room for what is to be written later.
   * @throws OverloadedError
   */
  reserve(bytes: number): void {
    this.#options.room.take(bytes);
  }

  /**
   * A value, to be a part of the answer.
   * @param reserved so many bytes of it have their room; what it does not need is given back
   * @throws OverloadedError where there is no room for it; what was reserved stays so
   */
  part(value: Writable, reserved = 0): Promise<Written> {
    return this.#write((writer) => writer.value(value), reserved);
  }

  /**
   * The whole document.
   * @throws OverloadedError where there is no room for it
   */
  whole(value: Writable): Promise<Written> {
    return this.#write((writer) => writeAnswer(writer, value));
  }

  async #write(steps: (writer: XmlWriter) => Iterable<void>, reserved = 0): Promise<Written> {
    const { time, room, turn } = this.#options;
    const writer = new XmlWriter(time, room, reserved);
    try {
      for (const _piece of steps(writer)) await turn();
      return writer.end();
    } catch (error) {
      for (const piece of writer.drop()) if (typeof piece !== 'string') free(piece);
      throw error;
    }
  }
}
