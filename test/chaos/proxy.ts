/** The way between app and daemon: it can be closed, or swallow every byte without a word, and later be as before. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy {
  readonly port: number;
  #server: Server | undefined;
  /** The daemon's port; absent while there is no daemon. */
  #target: number | undefined;
  #closed = false;
  #silent = false;
  /** From each socket to the one that gets what it says; absent where the daemon is yet to be dialled. */
  readonly #routes = new Map<Socket, Socket | undefined>();
  /** Listening and ceasing to, one after the other. */
  #work = Promise.resolve();

  private constructor(port: number) {
    this.port = port;
  }

  /** At a port below those that the system gives away by itself, so that it can be had again. */
  static async listen(): Promise<TcpProxy> {
    for (;;) {
      const proxy = new TcpProxy(randomInt(20_000, 32_000));
      try {
        proxy.#server = await proxy.#listen();
        return proxy;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
    }
  }

  /** Without a daemon nobody listens, and connections are refused; those that are open end by themselves. */
  lead(target: number | undefined): Promise<void> {
    this.#target = target;
    return this.#arrange();
  }

  /** Cuts all connections, and refuses new ones. */
  close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#routes.keys()) socket.destroy();
    return this.#arrange();
  }

  open(): Promise<void> {
    this.#closed = false;
    return this.#arrange();
  }

  /** Takes connections and bytes, and passes nothing on. */
  silence(): void {
    this.#silent = true;
    for (const [socket, onward] of this.#routes) if (onward) socket.unpipe(onward);
  }

  /** Passes on what it held back. */
  speak(): void {
    this.#silent = false;
    // A copy: relaying adds routes.
    for (const [socket, onward] of [...this.#routes]) {
      if (onward) socket.pipe(onward);
      else this.#relay(socket);
    }
  }

  #arrange(): Promise<void> {
    this.#work = this.#work.then(async () => {
      const wanted = this.#target !== undefined && !this.#closed;
      if (wanted) this.#server ??= await this.#listen();
      else {
        this.#server?.close();
        this.#server = undefined;
      }
    });
    return this.#work;
  }

  async #listen(): Promise<Server> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket, undefined);
      if (!this.#silent) this.#relay(socket);
    });
    await once(server.listen(this.port, '127.0.0.1'), 'listening');
    return server;
  }

  #relay(socket: Socket): void {
    if (this.#target === undefined || this.#closed) {
      socket.destroy();
      return;
    }
    const onward = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    this.#keep(socket, onward);
    this.#keep(onward, socket);
    socket.pipe(onward).pipe(socket);
    // Soon: an answer that the daemon has given is passed on, though the daemon be gone.
    socket.once('close', () => onward.destroySoon());
    onward.once('close', () => socket.destroySoon());
  }

  #keep(socket: Socket, onward: Socket | undefined): void {
    if (!this.#routes.has(socket)) {
      // What has an error closes, and takes the other one with it.
      socket.on('error', () => {});
      socket.once('close', () => this.#routes.delete(socket));
    }
    this.#routes.set(socket, onward);
  }
}
