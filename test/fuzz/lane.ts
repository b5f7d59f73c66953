/** Connections to the daemon: one that is kept, over which calls go ahead of their answers, and ones for a single try. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { socketTo } from '../support/calling.js';

export interface Answer {
  status: number;
  body: string;
}

/** Longer than the daemon takes for anything here: it ends a hang. */
const HANG_MS = 30_000;

export class Lane {
  readonly #socket: Socket;
  /** A character a byte. */
  #text = '';
  #ended = false;

  constructor(url: string) {
    this.#socket = socketTo(url).setEncoding('latin1').setTimeout(HANG_MS);
    this.#socket.on('data', (piece) => {
      this.#text += piece;
      this.#socket.emit('news');
    });
    const end = () => {
      this.#ended = true;
      this.#socket.emit('news');
    };
    this.#socket.once('end', end).once('close', end).once('timeout', end).on('error', end);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next one, which must come and have a length. */
  async answer(): Promise<Answer> {
    for (;;) {
      const end = this.#text.indexOf('\r\n\r\n');
      if (end >= 0) {
        const head = this.#text.slice(0, end);
        const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
        assert.ok(length >= 0, `no length in ${head}`);
        const next = end + 4 + length;
        if (this.#text.length >= next) {
          const body = Buffer.from(this.#text.slice(end + 4, next), 'latin1').toString();
          this.#text = this.#text.slice(next);
          return { status: Number(head.slice('HTTP/1.1 '.length, 12)), body };
        }
      }
      if (this.#ended) assert.fail(`no answer, after ${JSON.stringify(this.#text)}`);
      await once(this.#socket, 'news');
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Sends anything over a connection of its own, and hears it out: it must end. */
export async function exchange(url: string, bytes: Buffer): Promise<string> {
  const socket = socketTo(url).setEncoding('latin1');
  let text = '';
  let hung = false;
  socket.on('data', (piece) => {
    text += piece;
  });
  // Who is refused while it still sends may find the connection reset.
  socket.on('error', () => {});
  socket.setTimeout(HANG_MS, () => {
    hung = true;
    socket.destroy();
  });
  socket.end(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  assert.ok(!hung, `the connection hangs, after ${JSON.stringify(text)}`);
  return text;
}
