/** The connections to a daemon, kept alive, and what is written to them. */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import type { Host } from '../config/settings.js';
import type { Loaded } from './packages.js';

/** Told what comes of a request. */
export interface Told {
  /** An answer begins. */
  answers: (response: IncomingMessage) => void;
  /** None comes any more. */
  failed: (error: Error) => void;
}

export class DaemonConnections {
  readonly shown: string;
  /** Of the settings, which may change. */
  readonly maxAnswerBytes: () => number;
  readonly #writeCall: Loaded['writeCall'];
  readonly #request: (options: RequestOptions) => ClientRequest;
  readonly #agent: HttpAgent;
  readonly #options: RequestOptions;

  constructor(host: Host, maxAnswerBytes: () => number, { writeCall, http, https }: Loaded) {
    const { shown, secure, connect, path, authorization, tls } = host;
    const { Agent, request } = secure ? https : http;
    this.shown = shown;
    this.maxAnswerBytes = maxAnswerBytes;
    this.#writeCall = writeCall;
    this.#request = request;
    this.#agent = new Agent({ keepAlive: true });
    const headers = {
      'User-Agent': 'apnsd',
      'Content-Type': 'text/xml',
      Accept: 'text/xml',
      ...(authorization !== undefined && { Authorization: authorization }),
    };
    this.#options = { ...connect, ...tls, method: 'POST', path, headers, agent: this.#agent };
  }

  /**
   * Sends a request.
   * @throws what the package's serializer throws
   */
  send(method: string, params: unknown[], { answers, failed }: Told): ClientRequest {
    const xml = this.#writeCall(method, params);
    const request = this.#request(this.#options);
    request.once('response', answers).on('error', failed).end(xml);
    return request;
  }

  /** Closes the connections that carry nothing at the moment. */
  dropIdle(): void {
    for (const idle of Object.values(this.#agent.freeSockets)) {
      for (const socket of idle ?? []) socket.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}
