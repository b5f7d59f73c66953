/** A daemon that answers as the test says: what a client meets on bad days. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Fault, faultOf } from '../../src/rpc/faults.js';
import type { SendNotification } from '../../src/rpc/methods.js';
import { decodeCall, encodeAnswer, encodeFault, type Value } from '../../src/rpc/xml.js';

export interface ScriptedCall {
  method: string;
  params: Value[];
  headers: IncomingMessage['headers'];
  path: string;
}

/** A value is answered as it is, a Fault as a fault; whoever writes the response itself returns undefined. */
export type Script = (
  call: ScriptedCall,
  response: ServerResponse,
) => Promise<Value | Fault | undefined> | Value | Fault | undefined;

export interface ScriptedDaemon {
  url: string;
  port: number;
  calls: ScriptedCall[];
  /** Names of the calls, in order. */
  methods: () => string[];
  connections: () => number;
  script: Script;
  close: () => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param port 0 takes a free one */
export async function scriptedDaemon(script: Script, port = 0): Promise<ScriptedDaemon> {
  let connections = 0;
  const server = createServer(async (request, response) => {
    const body = await buffer(request).catch(() => undefined);
    if (!body) return;
    const call = { ...decodeCall(body), headers: request.headers, path: request.url ?? '' };
    daemon.calls.push(call);
    const answer = await Promise.resolve(daemon.script(call, response)).catch(faultOf);
    if (answer === undefined || response.destroyed) return;
    response.setHeader('Content-Type', 'text/xml');
    response.end(answer instanceof Fault ? encodeFault(answer) : encodeAnswer(answer));
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: taken } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const daemon: ScriptedDaemon = {
    url: `http://127.0.0.1:${taken}/`,
    port: taken,
    calls: [],
    methods: () => daemon.calls.map(({ method }) => method),
    connections: () => connections,
    script,
    close,
    [Symbol.asyncDispose]: close,
  };
  return daemon;
}

/** Accepts whatever `apnsd.send` brings, as the real one would. */
export function acceptAll(call: ScriptedCall): string {
  return answerEach(call, (_, id) => ({ status: 'accepted', id }));
}

/** A notification as it came. */
export interface Sent extends Omit<SendNotification, 'payload'> {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test has sent
  payload: any;
}

/** Answers `apnsd.send`, for each receiver in turn. */
export function answerEach(
  { params }: ScriptedCall,
  answer: (notification: Sent, id: string, token: string) => object,
): string {
  const { notifications } = JSON.parse(String(params[1])) as { notifications: Sent[] };
  const answers = notifications.flatMap((notification) =>
    notification.to.map(([token, id]) => answer(notification, id, token)),
  );
  return JSON.stringify(answers);
}

/** A daemon that provisions and accepts everything. */
export const goodDaemon: Script = (call) => {
  if (call.method === 'apnsd.provision')
    return { topic: 't', environment: 'sandbox', warnings: [] };
  if (call.method === 'apnsd.send') return acceptAll(call);
  return [];
};

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  await using daemon = await scriptedDaemon(goodDaemon);
  return daemon.port;
}
