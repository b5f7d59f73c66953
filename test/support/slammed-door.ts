/** A host whose daemon is away, where a test must see that somebody knocks. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Hangs up on every connection, and counts them. */
export async function slammedDoor(port = 0) {
  const server = createServer((socket) => {
    knocks += 1;
    socket.on('error', () => undefined).destroy();
  });
  let knocks = 0;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return {
    knocks: () => knocks,
    port: (server.address() as AddressInfo).port,
    close,
    [Symbol.asyncDispose]: close,
  };
}
