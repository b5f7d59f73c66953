/**
 * A child process: a gateway whose connections die every few hundred requests, each time in another way.
 * It is not made of node:http2, which under this treatment corrupts its own memory (Node 20.20).
 */
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { FrameReader } from '../../../src/apns/http2/codec/frame-reader.js';
import { certificate } from '../../support/certificate.js';
import { answer, END_STREAM, frame, goAway, settings, Type, u32 } from './scripted-server.js';

/** Requests that a connection takes. */
const LIFETIME = 300;
/** Those of them that may have no answer yet. */
const IN_FLIGHT = 200;

const PREFACE_BYTES = 24;

let deaths = 0;
const server = createServer({ ...certificate(), ALPNProtocols: ['h2'] }, (socket) => {
  const live = new Lifetime(socket);
  let toSkip = PREFACE_BYTES;
  socket.on('data', (chunk: Buffer) => {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    live.read(chunk.subarray(skipped));
  });
  socket.on('error', () => {});
});

class Lifetime {
  readonly #socket: TLSSocket;
  readonly #reader = new FrameReader(({ type, flags, stream, length }) => {
    if (type === Type.data) this.#window += length;
    if (type === Type.data && flags & END_STREAM) this.#take(stream);
  });
  #count = 0;
  #dead = false;
  #window = 0;
  #answers: Buffer[] = [];

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.write(settings([3, IN_FLIGHT]));
  }

  read(bytes: Buffer): void {
    this.#reader.push(bytes);
    if (this.#window > 0) this.#answers.push(frame(Type.windowUpdate, 0, 0, u32(this.#window)));
    this.#window = 0;
    this.#socket.write(Buffer.concat(this.#answers.splice(0)));
  }

  #take(stream: number): void {
    this.#count += 1;
    if (this.#count === LIFETIME) this.#die(stream);
    if (this.#dead) return;
    if (this.#count % 97 === 0) this.#answers.push(frame(Type.reset, 0, stream, u32(7)));
    else if (this.#count % 50 === 0)
      this.#answers.push(answer(stream, 410, '{"reason":"Unregistered"}'));
    else this.#answers.push(answer(stream));
  }

  #die(stream: number): void {
    this.#dead = true;
    deaths += 1;
    const way = deaths % 3;
    if (way === 0) this.#socket.destroy();
    else if (way === 1) this.#answers.push(answer(stream), goAway(stream));
    else this.#answers.push(goAway(stream, 11, '{"reason":"Shutdown"}'));
    if (way === 2) setTimeout(() => this.#socket.destroy(), 10);
  }
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ gateway: `https://127.0.0.1:${port}`, ca: [certificate().cert] });
});
process.on('disconnect', () => process.exit());
