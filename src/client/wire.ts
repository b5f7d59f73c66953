/** The connections to a daemon, kept alive, and the `xmlrpc` package's client that writes to them. */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import { PlainJson } from '../rpc/json.js';
import type { Loaded } from './packages.js';
import type { Host } from './settings.js';

/** Told what comes of a request. */
export interface Told {
  /** An answer begins. */
  answers: (response: IncomingMessage) => void;
  /** None comes any more. */
  failed: (error: Error) => void;
}

export class Wire {
  readonly shown: string;
  readonly #agent: RememberingAgent;
  readonly #client: ReturnType<Loaded['xmlrpc']['createClient']>;
  readonly #RawText: Loaded['RawText'];

  constructor(host: Host, { xmlrpc, RawText, http, https }: Loaded) {
    const { shown, secure, connect, path, authorization, tls } = host;
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    this.shown = shown;
    this.#RawText = RawText;
    this.#agent = remembering(secure ? https.Agent : http.Agent);
    // The package adds its own to it, and changes the length with each call: it is for nobody else.
    const options = { ...connect, ...tls, path, headers, agent: this.#agent };
    this.#client = secure ? xmlrpc.createSecureClient(options) : xmlrpc.createClient(options);
  }

  /**
   * Sends a request. The answer is not the package's to read: its reader throws where nobody could catch it, takes more
   * time than all the rest of a request, and what it has to do with, Node keeps until a full collection.
   * @throws what the package's serializer throws
   */
  send(method: string, params: unknown[], { answers, failed }: Told): ClientRequest {
    const written = params.map((param) =>
      param instanceof PlainJson ? new this.#RawText(param.text) : param,
    );
    // Of its answer the package tells nothing then: what is left to it are the errors of the request.
    this.#client.methodCall(method, written, (error) => failed(error as Error));
    const request = this.#agent.latest as ClientRequest;
    return request.removeAllListeners('response').once('response', answers);
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

interface RememberingAgent extends HttpAgent {
  latest: ClientRequest | undefined;
}

/**
 * Remembers its latest request, so that whoever had it made can end it: the package gives it to nobody, has no deadline,
 * and its `signal`, aborted while an answer comes in, ends in an uncaught AbortError.
 */
function remembering(Agent: typeof HttpAgent): RememberingAgent {
  class Remembering extends Agent {
    latest: ClientRequest | undefined;

    addRequest(request: ClientRequest, options: object) {
      this.latest = request;
      // Not in the types, but what every agent package builds upon.
      Reflect.apply(Reflect.get(Agent.prototype, 'addRequest'), this, [request, options]);
    }
  }
  return new Remembering({ keepAlive: true });
}
