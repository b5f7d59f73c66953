/** Whether a caller is still there. */
import type { Socket } from 'node:net';

/** One for all the calls of a connection. */
const signals = new WeakMap<Socket, AbortSignal>();

/** Aborted when the connection is closed. */
export function signalOf(socket: Socket): AbortSignal {
  let signal = signals.get(socket);
  if (!signal) {
    const gone = new AbortController();
    signal = gone.signal;
    signals.set(socket, signal);
    if (socket.destroyed) gone.abort();
    else socket.once('close', () => gone.abort());
  }
  return signal;
}
