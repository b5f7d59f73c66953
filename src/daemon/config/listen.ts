/** Where the daemon listens: a host and port, or a unix socket. */
import { lstat, rm } from 'node:fs/promises';
import { type AddressInfo, connect, isIP, type ListenOptions, type Server } from 'node:net';
import { isAbsolute } from 'node:path';
import { ConfigError } from '../../errors.js';

/** A socket's `mode` says who may connect: connecting is writing. */
export type Address = { host: string; port: number } | { path: string; mode: number };

/** A longer one is cut short by the system, without a word: 108 bytes on Linux, 104 elsewhere, and the last is a zero. */
const maxPathBytes = 103;

/**
 * @param mode where none is given, only the daemon's own user may connect to its socket
 * @throws ConfigError
 */
export function parseListen(listen: string, mode?: number): Address {
  if (!listen.startsWith('unix:')) {
    if (mode !== undefined) {
      throw new ConfigError(
        `listenMode is for unix sockets, but listen is ${JSON.stringify(listen)}`,
      );
    }
    return parseHostPort(listen);
  }
  const path = listen.slice('unix:'.length);
  if (!isAbsolute(path) || Buffer.byteLength(path) > maxPathBytes) {
    throw new ConfigError(
      `listen is ${JSON.stringify(listen)}, expected unix:/path of at most ${maxPathBytes} bytes`,
    );
  }
  return { path, mode: mode ?? 0o600 };
}

function parseHostPort(listen: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new ConfigError(
      `listen is ${JSON.stringify(listen)}, expected HOST:PORT or unix:/path.sock`,
    );
  }
  return { host, port };
}

/** Whether nobody outside this machine can reach it. */
export function isLocal(address: Address): boolean {
  if ('path' in address) return true;
  const { host } = address;
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Resolves once it listens; a socket that a dead daemon left behind is replaced. */
export async function bind(server: Server, address: Address): Promise<void> {
  if ('host' in address) return listening(server, address);
  const { path, mode } = address;
  if (await isStale(path)) await rm(path);
  // Set after the fact, the mode would come too late for whoever is quick.
  const mask = process.umask(0o777 & ~mode);
  const bound = listening(server, { path });
  process.umask(mask);
  return bound;
}

/** What clients take as `host`. */
export function urlOf(server: Server, secure: boolean): string {
  const bound = server.address() as AddressInfo | string;
  if (typeof bound === 'string') return `unix:${bound}`;
  const { address, family, port } = bound;
  const host = family === 'IPv6' ? `[${address}]` : address;
  return `${secure ? 'https' : 'http'}://${host}:${port}`;
}

function listening(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A socket at which nobody listens. Any other file is left for the system to complain about. */
async function isStale(path: string): Promise<boolean> {
  const isSocket = await lstat(path).then(
    (stat) => stat.isSocket(),
    () => false,
  );
  if (!isSocket) return false;
  return new Promise((resolve) => {
    const knock = connect(path);
    knock.once('connect', () => {
      knock.destroy();
      resolve(false);
    });
    knock.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}
