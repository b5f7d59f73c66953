/** The server side: takes connections, judges each request as Apple would or as it was commanded, records it and answers. */
import { randomUUID } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { Authority, Environment } from './authority.js';
import { type ClientCertificate, judgeCertificate, readClientCertificate } from './certificate.js';
import { check, type Identity, idOf, type Refusal, tokenOf, topicOf } from './checks.js';
import type { Answer, Commands, CutOff, Delay } from './commands.js';
import { type Arrival, Connection } from './connection.js';
import type { ProviderTokens } from './provider-token.js';
import type { Records } from './records.js';

interface GatewayParts {
  /** It listens, asks for client certificates and refuses none. */
  server: Server;
  environment: Environment;
  authority: Authority;
  providerTokens: ProviderTokens;
  commands: Commands;
  records: Records;
  maxConcurrentStreams: number;
  coldStreams: number;
  now: () => number;
  /** A request or connection came, went, or was recorded. */
  onChange: () => void;
}

export class Gateway {
  /** How many connections it has taken. */
  taken = 0;
  /** Of connections to come. */
  maxConcurrentStreams: number;
  readonly connections = new Set<Connection>();
  readonly #parts: GatewayParts;
  readonly #sockets = new Set<Socket>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.maxConcurrentStreams = parts.maxConcurrentStreams;
    parts.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    parts.server.on('secureConnection', (socket) => this.#connect(socket));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#parts.server.close(() => resolve()));
    for (const connection of this.connections) connection.destroy();
    // Those that have not finished their TLS handshake too.
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #connect(socket: TLSSocket): void {
    const x509 = socket.getPeerX509Certificate();
    const certificate = x509 && readClientCertificate(x509, this.#parts.authority);
    this.taken += 1;
    const connection = new Connection(socket, {
      number: this.taken,
      maxConcurrentStreams: this.maxConcurrentStreams,
      coldStreams: this.#parts.coldStreams,
      hasCertificate: certificate !== undefined,
      onArrival: (arrival) => this.#receive(arrival, certificate),
      onChange: this.#parts.onChange,
      onClose: () => this.connections.delete(connection),
    });
    this.connections.add(connection);
    this.#parts.onChange();
  }

  async #receive(arrival: Arrival, certificate: ClientCertificate | undefined): Promise<void> {
    const { connection, stream, headers, repeated, body } = arrival;
    const { commands, records, now } = this.#parts;
    const path = headers[':path'] ?? '';
    const token = tokenOf(path);
    const delay = commands.delays.take(token);
    const command = commands.answers.take(token);
    const cutOff = command?.kind === 'answer' ? undefined : command;

    if (delay?.when === 'before') await pause(stream, delay);
    if (stream.closed) return;
    if (cutOff?.when === 'before') {
      cut(arrival, cutOff);
      return;
    }

    const at = now();
    const sender = connection.admit(this.#identify(certificate, headers.authorization, at));
    const text = body.toString();
    const json = parse(text);
    const refusal = check({
      method: headers[':method'] ?? '',
      path,
      headers,
      repeated,
      sender,
      token,
      refusedTokens: commands.deviceTokens,
      payload: body,
      json,
    });
    const answer = command?.kind === 'answer' ? command.answer : (refusal ?? { status: 200 });
    const id = idOf(headers) ?? randomUUID();
    connection.noteRecorded(stream);
    records.add({
      at,
      connection: connection.number,
      topic: topicOf({ headers, sender }),
      token,
      id,
      headers,
      payload: typeof json === 'object' && json !== null ? json : text,
      status: cutOff ? 0 : answer.status,
      reason: cutOff ? null : (answer.reason ?? null),
    });
    this.#parts.onChange();

    if (delay?.when === 'after') await pause(stream, delay);
    if (stream.closed) return;
    if (cutOff) cut(arrival, cutOff);
    else this.#answer(arrival, headers['apns-id'] || id, answer);
  }

  #identify(
    certificate: ClientCertificate | undefined,
    authorization: string | undefined,
    at: number,
  ): Identity | Refusal {
    const { environment, providerTokens } = this.#parts;
    // With a client certificate Apple does not look at the header.
    if (certificate) return judgeCertificate(certificate, environment, at);
    return providerTokens.judge(authorization, environment, at);
  }

  /** @param id the request's apns-id as it was sent, good or bad: clients look up by it what is answered */
  #answer({ connection, stream }: Arrival, id: string, answer: Answer): void {
    const { status, reason, timestamp } = answer;
    const named = status === 200 && this.#parts.environment === 'sandbox';
    const headers = {
      ':status': status,
      'apns-id': id,
      ...(named && { 'apns-unique-id': randomUUID() }),
      ...answer.headers,
    };
    const body = answer.body ?? (reason === undefined ? '' : JSON.stringify({ reason, timestamp }));
    connection.answer(stream, headers, body);
    this.#parts.onChange();
  }
}

function cut({ connection, stream }: Arrival, cutOff: CutOff): void {
  if (cutOff.kind === 'reset') stream.close(cutOff.code);
  if (cutOff.kind === 'hangUp') connection.hangUp();
}

/** Ends early when the stream does. */
function pause(stream: ServerHttp2Stream, { over }: Delay): Promise<void> {
  return new Promise((resolve) => {
    const timer = typeof over === 'number' ? setTimeout(resolve, over) : undefined;
    if (typeof over !== 'number') over.then(resolve);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
