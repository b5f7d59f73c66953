/** A gate before the simulator's door: lets new connections through, lets them wait, or turns them away. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Gate {
  /** What stands for the target's own `https://127.0.0.1:PORT`. */
  url: string;
  /** How many connections came, let through or not. */
  readonly arrivals: number;
  /** From now on, for new connections; those that wait are let through by `open`. */
  open: () => void;
  shut: () => void;
  refuse: () => void;
  /** What is connected stays so, and nothing comes through it any more: a network that is gone without a word. */
  freeze: () => void;
  /** Resolves once so many connections have come. */
  arrived: (count: number) => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function gateTo(target: string): Promise<Gate> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const waiting = new Set<Socket>();
  let policy: 'open' | 'shut' | 'refuse' = 'open';
  let arrivals = 0;
  const server = createServer((socket) => {
    arrivals += 1;
    keep(socket);
    if (policy === 'open') relay(socket);
    if (policy === 'shut') waiting.add(socket);
    if (policy === 'refuse') socket.destroy();
    server.emit('arrival');
  });

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      waiting.delete(socket);
    });
  }

  function relay(socket: Socket): void {
    const onward = connect(Number(port), hostname);
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get arrivals() {
      return arrivals;
    },
    open() {
      policy = 'open';
      for (const socket of waiting) relay(socket);
      waiting.clear();
    },
    shut() {
      policy = 'shut';
    },
    refuse() {
      policy = 'refuse';
    },
    freeze() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async arrived(count) {
      while (arrivals < count) await once(server, 'arrival');
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
