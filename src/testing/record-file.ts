/** The file that gets a line for each request. Where its disk is full, that is told and no request is held up. */
import { closeSync, openSync, writeSync } from 'node:fs';

export class RecordFile {
  readonly #path: string;
  readonly #file: number;
  readonly #log: (line: string) => void;
  /** How many lines could not be written since one was. */
  #missing = 0;
  /** Whether the file ends in a part of a line. */
  #cutShort = false;

  /** Goes on where the file ends. @throws node's own error where it can't be opened */
  constructor(path: string, log: (line: string) => void) {
    this.#path = path;
    this.#file = openSync(path, 'a', 0o600);
    this.#log = log;
  }

  /** In the file when this returns, if it can be. */
  add(line: string): void {
    try {
      this.#write(`${line}\n`);
    } catch (error) {
      this.#missing += 1;
      if (this.#missing > 1) return;
      const { message } = error as Error;
      this.#log(`${this.#path} can't be written (${message}), requests go on without a record`);
      return;
    }
    if (this.#missing === 0) return;
    this.#log(`${this.#path} is written again, ${this.#missing} requests are missing in it`);
    this.#missing = 0;
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(text: string): void {
    // So that what was cut short spoils no line but its own.
    let rest = Buffer.from(this.#cutShort ? `\n${text}` : text);
    while (rest.length > 0) {
      const written = writeSync(this.#file, rest);
      rest = rest.subarray(written);
      this.#cutShort = rest.length > 0;
    }
  }
}
