/** Those who stand before the daemon and do it no good. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { callXml, socketTo } from '../support/calling.js';

const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n';
const small = callXml('system.methodHelp', 'notify');

function whole(body: string): string {
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** The largest body that is taken, in bytes. */
const LARGEST = 4 << 20;

/** So many at a time, as a listening socket has a queue. */
const TOGETHER = 200;

/** Connections that have made a call each, and are kept. */
export async function idleConnections(url: string, count: number): Promise<AsyncDisposable> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const many = Math.min(TOGETHER, count - sockets.length);
    const opened = Array.from({ length: many }, async () => {
      const socket = socketTo(url);
      socket.write(whole(small));
      await once(socket, 'data');
      return socket;
    });
    sockets.push(...(await Promise.all(opened)));
  }
  return { [Symbol.asyncDispose]: () => closed(sockets) };
}

const SLOW = 100;
const STEP_MS = 200;

/** Some send headers a byte at a time, some a body; who is let go comes again. */
export function slowSenders(url: string): AsyncDisposable {
  let stopped = false;
  const current = new Set<Socket>();
  const begin = (first: string, next: string) => {
    const socket = socketTo(url);
    current.add(socket);
    socket.write(first);
    socket.resume().on('error', () => {});
    const timer = setInterval(() => socket.write(next), STEP_MS);
    socket.once('close', () => {
      clearInterval(timer);
      current.delete(socket);
      if (!stopped) begin(first, next);
    });
  };
  for (let each = 0; each < SLOW; each += 1) {
    begin('POST / HTTP/1.1\r\nHost: ', 'a');
    begin(`${head}Content-Length: ${LARGEST}\r\n\r\n`, '<');
  }
  return {
    [Symbol.asyncDispose]() {
      stopped = true;
      return closed([...current]);
    },
  };
}

async function closed(sockets: Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
}

export interface Attack {
  name: string;
  /** Gives the texts of the answers. */
  send: (url: string) => Promise<string[]>;
  says: RegExp;
}

const array = (count: number, value: string) =>
  `<array><data>${value.repeat(count)}</data></array>`;
const nested = (count: number) => callXml('notify', '<array><data><value>'.repeat(count));

const posted = (body: string) => async (url: string) => [
  await exchange(url, [Buffer.from(whole(body))]),
];
const notify = (tokens: string, payload: string) =>
  posted(callXml('notify', 'app', tokens, payload));
const member = (value: string) =>
  `<struct><member><name>a</name><value>${value}</value></member></struct>`;

export function endlessBody(bytes: number): Attack {
  return {
    name: 'a body without end',
    send: async (url) => [await exchange(url, endless(bytes))],
    says: /^HTTP\/1\.1 413 /,
  };
}

/** Each with bodies as large as they may be, or larger. */
export function largeBodies(): Attack[] {
  return [
    {
      name: 'large bodies that come to their end only when all are there',
      send: holdBack,
      says: /the calls in flight are over|expected XML/,
    },
    { name: 'a million arrays', send: posted(nested(1_000_000)), says: /^HTTP\/1\.1 413 / },
    { name: 'as many arrays as fit', send: posted(nested(200_000)), says: /found 65 levels/ },
    {
      name: 'more values than fit',
      send: posted(callXml('notify', array(500_000, '<value/>'))),
      says: /found 200001 values/,
    },
    {
      name: 'as many tokens as fit, none of them right',
      send: notify(array(190_000, '<value>x</value>'), '<struct/>'),
      says: /at position 0, 1, /,
    },
    {
      name: 'a large payload',
      send: notify('aa', member(array(190_000, '<value>1</value>'))),
      says: /expected at most 4096/,
    },
  ];
}

const piece = Buffer.alloc(1 << 20, ' ');

function* endless(bytes: number): Generator<Buffer> {
  yield Buffer.from(`${head}Content-Length: ${bytes}\r\n\r\n`);
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

const HELD = 50;

async function holdBack(url: string): Promise<string[]> {
  const sockets = Array.from({ length: HELD }, () => socketTo(url));
  const answers = sockets.map((socket) => once(socket, 'data'));
  const almost = [...endless(LARGEST)];
  almost.pop();
  await Promise.all(sockets.map((socket) => sent(socket, almost)));
  for (const socket of sockets) socket.write(piece);
  const texts = (await Promise.all(answers)).map(String);
  await closed(sockets);
  return texts;
}

/** Sends it all before it listens, as most callers do. */
async function exchange(url: string, pieces: Iterable<Buffer>): Promise<string> {
  const socket = socketTo(url);
  const answered = once(socket, 'data');
  const [[answer]] = await Promise.all([answered, sent(socket, pieces)]);
  await closed([socket]);
  return String(answer);
}

async function sent(socket: Socket, pieces: Iterable<Buffer>): Promise<void> {
  for (const each of pieces) if (!socket.write(each)) await once(socket, 'drain');
}
