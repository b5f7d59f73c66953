/** node:http2 as the server of the same tests: 200 with the apns-id to anything, 410 below /refuse; below /echo the apns-id comes as apns-unique-id. */
import { once } from 'node:events';
import {
  createSecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { certificate } from '../../support/certificate.js';
import type { ServerChild, ServerSettings } from './servers.js';

export interface NodeServer extends ServerChild {
  sessions: Set<ServerHttp2Session>;
  /** Tests may answer in their own way. */
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: string) => void;
}

export async function startNodeServer({ streams = 100 }: ServerSettings = {}): Promise<NodeServer> {
  const server = createSecureServer({
    ...certificate(),
    settings: { maxConcurrentStreams: streams },
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  const stop = async () => {
    for (const session of sessions) session.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  const started: NodeServer = {
    gateway: '',
    sessions,
    answer: answerAsApple,
    signal: () => void stop(),
    [Symbol.asyncDispose]: stop,
  };
  server.on('stream', (stream, headers) => {
    let body = '';
    stream.on('error', () => {});
    stream.on('data', (chunk) => {
      body += chunk;
    });
    stream.on('end', () => started.answer(stream, headers, body));
  });
  await listen(server);
  started.gateway = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return started;
}

async function listen(server: Http2Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function answerAsApple(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const refused = headers[':path']?.startsWith('/refuse');
  const id = headers['apns-id'];
  const name = headers[':path']?.startsWith('/echo') ? 'apns-unique-id' : 'apns-id';
  stream.respond({ ':status': refused ? 410 : 200, ...(id && { [name]: id }) });
  stream.end(refused ? '{"reason":"Unregistered"}'.padEnd(300) : '');
}
