/** Gathers all that a connection says in one tick, so that it leaves in one write. */
import type { Writable } from 'node:stream';

/** Room for 200 usual requests; grows where a tick makes more. */
const BUFFER_BYTES = 64 * 1024;

export class WriteBuffer {
  readonly #socket: Writable;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** A buffer whose write is over, to be filled again. */
  #spare: Buffer | undefined;
  /** How much of the buffer is filled: who has reserved room sets it. */
  length = 0;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /** The socket has enough for now: write nothing but answers until 'drain'. */
  get full(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** The buffer, with room for so many bytes from {@link length} on. */
  reserve(bytes: number): Buffer {
    const wanted = this.length + bytes;
    if (wanted > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.length);
      this.#buffer = larger;
    }
    return this.#buffer;
  }

  push(bytes: Buffer): void {
    bytes.copy(this.reserve(bytes.length), this.length);
    this.length += bytes.length;
  }

  flush(): void {
    if (this.length === 0) return;
    const written = this.#buffer;
    const bytes = written.subarray(0, this.length);
    this.length = 0;
    this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#spare = undefined;
    this.#socket.write(bytes, () => {
      this.#spare = written;
    });
  }
}
