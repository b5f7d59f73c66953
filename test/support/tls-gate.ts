/** A gate before the simulator's door that looks at client certificates: it ends the TLS of those that it was told to refuse. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:tls';
import { sharedAuthority } from '../../src/testing/authority.js';

export interface TlsGate {
  /** What stands for the simulator's own url. */
  url: string;
  /** Lets those who show this certificate through, in its name; @param pem certificate and key. */
  admit: (pem: string) => void;
  /** Ends each connection that shows this certificate. */
  refuse: (pem: string) => void;
  /** False: whoever comes is turned away, whatever it shows. */
  open: boolean;
  /** Cuts what is connected. */
  cut: () => void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param simulator of this process's own authority; those without a certificate are let through */
export async function tlsGateTo(simulator: { url: string; ca: string }): Promise<TlsGate> {
  const { hostname: host, port } = new URL(simulator.url);
  const own = await (await sharedAuthority()).serverCertificate();
  const sockets = new Set<Socket>();
  const admitted = new Map<string, string>();
  const server = createServer({
    cert: own.certificate,
    key: own.key,
    ALPNProtocols: ['h2'],
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('connection', (socket) => {
    if (!gate.open) socket.destroy();
    keep(socket);
  });
  server.on('secureConnection', (socket) => {
    keep(socket);
    const shown = socket.getPeerX509Certificate();
    const pem = shown && admitted.get(shown.fingerprint256);
    if (shown && !pem) {
      socket.destroy();
      return;
    }
    const onward = connect({
      host,
      port: Number(port),
      ca: simulator.ca,
      ALPNProtocols: ['h2'],
      ...(pem && { cert: pem, key: pem }),
    });
    keep(onward);
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
  });

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gate: TlsGate = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open: true,
    admit: (pem) => void admitted.set(new X509Certificate(pem).fingerprint256, pem),
    refuse: (pem) => void admitted.delete(new X509Certificate(pem).fingerprint256),
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      gate.cut();
      await closed;
    },
  };
  return gate;
}
