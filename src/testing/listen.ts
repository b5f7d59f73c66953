/** Binds a server to what a person writes as `HOST:PORT`. */
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import { ConfigError } from '../errors.js';

/** @throws ConfigError */
export function parseAddress(listen: string): ListenOptions {
  const [, ipv6, host = ipv6, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  if (host === undefined || Number(port) > 65535) {
    throw new ConfigError(`listen is '${listen}', expected HOST:PORT`);
  }
  return { host, port: Number(port) };
}

export function bind(server: Server, address: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Where clients on this machine reach it. */
export function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
