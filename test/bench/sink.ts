/** A sink for where Debian's servers are not installed: node:http2, answering 200 with the apns-id. */
import { createSecureServer } from 'node:http2';
import { certificate } from '../apns/certificate.js';

const server = createSecureServer({ ...certificate(), settings: { maxConcurrentStreams: 1000 } });
server.on('stream', (stream, headers) => {
  stream.resume().on('end', () => {
    stream.respond({ ':status': 200, 'apns-id': headers['apns-id'] }, { endStream: true });
  });
});
server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
