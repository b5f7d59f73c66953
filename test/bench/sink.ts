/** A sink for where nginx is not installed: node:http2, answering 200 with the apns-id. */
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { certificate } from '../support/certificate.js';
import { serve } from '../support/child.js';

const server = createSecureServer({ ...certificate(), settings: { maxConcurrentStreams: 1000 } });
server.on('stream', (stream, headers) => {
  stream.resume().on('end', () => {
    stream.respond({ ':status': 200, 'apns-id': headers['apns-id'] }, { endStream: true });
  });
});

const functions = {
  async listen() {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { gateway: `https://127.0.0.1:${port}`, ca: certificate().cert };
  },
};

export type SinkFunctions = typeof functions;

serve(functions);
