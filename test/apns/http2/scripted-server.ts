/** A server that says exactly the bytes a test wants, and hands over each frame that comes. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { createPool } from '../../../src/apns/http2/pool.js';
import type { ApnsRequest, Outcome, Sender, SenderOptions } from '../../../src/apns/sender.js';
import { certificate } from '../../support/certificate.js';

export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
};
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 32;

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = '') {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [place, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * place);
  return bytes;
}

/** `[id, value]` each: 1 table, 2 push, 3 streams, 4 window, 5 frame, 6 header list. */
export function settings(...pairs: (readonly [number, number])[]): Buffer {
  const payload = pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), u32(value)]));
  return frame(Type.settings, 0, 0, Buffer.concat(payload));
}

/** A literal header with the name in the static table's place, or by itself. */
export function literal(name: number | string, value: string): Buffer {
  const text = (string: string) =>
    Buffer.concat([Buffer.from([string.length]), Buffer.from(string)]);
  if (typeof name === 'string') return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat([Buffer.from([name]), text(value)]);
}

const indexed: Record<number, number> = { 200: 0x88, 400: 0x8c, 404: 0x8d, 500: 0x8e };

export function statusBlock(status: number): Buffer {
  const index = indexed[status];
  return index ? Buffer.from([index]) : literal(8, `${status}`);
}

/** A whole answer. */
export function answer(stream: number, status = 200, body = ''): Buffer {
  const head = END_HEADERS | (body === '' ? END_STREAM : 0);
  const headers = frame(Type.headers, head, stream, statusBlock(status));
  return body === ''
    ? headers
    : Buffer.concat([headers, frame(Type.data, END_STREAM, stream, body)]);
}

export function goAway(lastStream: number, code = 0, debug = ''): Buffer {
  return frame(Type.goAway, 0, 0, Buffer.concat([u32(lastStream, code), Buffer.from(debug)]));
}

export interface Received {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

export interface ReceivedRequest {
  stream: number;
  body: string;
}

/** One connection, seen from the server. */
export class Peer {
  readonly socket: TLSSocket;
  /** Everything that came, and everything that came and was not waited for yet. */
  readonly received: Received[] = [];
  readonly closed: Promise<unknown>;
  #untaken: Received[] = [];
  #bytes = Buffer.alloc(0);
  #prefaceLeft = 24;
  #news = () => {};

  constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#read(chunk));
  }

  write(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next frame of a type, not counting those before it. */
  async take(type: number, fits: (received: Received) => boolean = () => true): Promise<Received> {
    for (;;) {
      const place = this.#untaken.findIndex((one) => one.type === type && fits(one));
      const [found] = place < 0 ? [] : this.#untaken.splice(place, 1);
      if (found) return found;
      await new Promise<void>((resolve) => {
        this.#news = resolve;
      });
    }
  }

  /** So many whole requests, in the order they were finished. */
  async requests(count: number): Promise<ReceivedRequest[]> {
    const requests: ReceivedRequest[] = [];
    while (requests.length < count) {
      const { stream } = await this.take(Type.data, ({ flags }) => (flags & END_STREAM) > 0);
      requests.push({ stream, body: this.body(stream) });
    }
    return requests;
  }

  /** The whole requests that have come by now. */
  takeRequests(): ReceivedRequest[] {
    const ends = (one: Received) => one.type === Type.data && (one.flags & END_STREAM) > 0;
    const whole = this.#untaken.filter(ends);
    this.#untaken = this.#untaken.filter((one) => !ends(one));
    return whole.map(({ stream }) => ({ stream, body: this.body(stream) }));
  }

  /** What has come of a stream's body. */
  body(stream: number): string {
    const parts = this.received.filter((one) => one.type === Type.data && one.stream === stream);
    return Buffer.concat(parts.map(({ payload }) => payload)).toString();
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#bytes, chunk]);
    let at = Math.min(this.#prefaceLeft, bytes.length);
    this.#prefaceLeft -= at;
    while (bytes.length - at >= 9 && bytes.length - at >= 9 + bytes.readUIntBE(at, 3)) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      const received = {
        type: bytes.readUInt8(at + 3),
        flags: bytes.readUInt8(at + 4),
        stream: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + 9, end),
      };
      this.received.push(received);
      this.#untaken.push(received);
      at = end;
    }
    this.#bytes = bytes.subarray(at);
    this.#news();
  }
}

export interface ScriptedServer extends AsyncDisposable {
  gateway: string;
  /** Connections so far. */
  accepted: number;
  /** TCP connections so far. */
  dialled: number;
  /** While true, TCP connections are cut off at once. */
  down: boolean;
  /** The next connection, once TLS is set up. */
  accept(): Promise<Peer>;
}

/** Each connection is greeted by these bytes. */
export async function startScriptedServer(
  greeting = settings(),
  options: TlsOptions = {},
): Promise<ScriptedServer> {
  const server = createServer({ ...certificate(), ALPNProtocols: ['h2'], ...options });
  const waiting: Peer[] = [];
  const sockets = new Set<TLSSocket>();
  let news = () => {};
  const scripted: ScriptedServer = {
    gateway: '',
    accepted: 0,
    dialled: 0,
    down: false,
    accept: async () => {
      for (;;) {
        const peer = waiting.shift();
        if (peer) return peer;
        await new Promise<void>((resolve) => {
          news = resolve;
        });
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.on('connection', (socket) => {
    scripted.dialled += 1;
    if (scripted.down) socket.destroy();
  });
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    scripted.accepted += 1;
    const peer = new Peer(socket);
    peer.write(greeting);
    waiting.push(peer);
    news();
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scripted.gateway = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return scripted;
}

/** A pool for the server, closed when disposed of. */
export function openPool(
  server: { gateway: string },
  options: Partial<SenderOptions> = {},
): Sender & AsyncDisposable {
  const pool = createPool({ gateway: server.gateway, ca: [certificate().cert], ...options });
  return {
    send: (request, sendOptions) => pool.send(request, sendOptions),
    hasRoom: (requests, bodyBytes) => pool.hasRoom(requests, bodyBytes),
    pause: (until, reason) => pool.pause(until, reason),
    ready: (sendOptions) => pool.ready(sendOptions),
    get connected() {
      return pool.connected;
    },
    trouble: () => pool.trouble(),
    get troubleSince() {
      return pool.troubleSince;
    },
    close: () => pool.close(),
    retire: () => pool.retire(),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** A request whose body tells it from the others. */
export function request(body: string): ApnsRequest {
  return {
    method: 'POST',
    path: '/3/device/00aa11bb',
    headers: ['apns-topic', 'com.example.app'],
    id: '8f7c3c1e-3f0a-4bb0-9c51-000000000000',
    body,
  };
}

/** Far enough that no test meets it by chance. */
export function later(ms = 60_000): { deadline: number } {
  return { deadline: performance.now() + ms };
}

/** `200`, `410`, `unknown`, `unsent`: an outcome in a word. */
export function word(outcome: Outcome): number | string {
  return outcome.kind === 'response' ? outcome.status : outcome.kind;
}
