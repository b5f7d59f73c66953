/** The one door between the daemon and Apple: what a request is, how it can end, and what sends it. */

import type { Log } from '../log.js';
import type { Flow } from './http2/fair-queue.js';
import type { Limits } from './http2/limits.js';

/** One HTTP/2 request to Apple. */
export interface ApnsRequest {
  method: 'POST' | 'GET' | 'DELETE';
  /** For a notification `/3/device/<hex token>`. */
  path: string;
  /** Name, value, name, value …; names in lower case; neither pseudo headers nor `authorization` nor `apns-id`. */
  headers: readonly string[];
  /** The `apns-id`. */
  id?: string;
  /** True: the id is the `apns-collapse-id` as well, so that a repeat replaces what it repeats. */
  collapse?: boolean;
  /** Sent as UTF-8. */
  body: string;
}

/**
 * How a request ended. `unsent`: certainly not processed by Apple, safe to repeat anywhere.
 * `unknown`: it left, or may have left, and no answer came: Apple may have processed it.
 */
export type Outcome = Response | Silence;

export interface Silence {
  kind: 'unknown' | 'unsent';
  cause: Error;
  /** Before that it would be no better, in milliseconds of performance.now; where such a time is known. */
  retryAt?: number;
}

export interface Response {
  kind: 'response';
  status: number;
  /** Response headers, names in lower case, without `:status` and `apns-id`. */
  headers: Readonly<Record<string, string>>;
  /** Empty for an accepted notification. */
  body: string;
  /** The number of the connection that answered: {@link SendOptions.avoid} keeps a repeat off it. */
  connection: number;
}

export interface SendOptions {
  /** When the request must have settled, in milliseconds of performance.now. */
  deadline: number;
  /** Cancels the request: it settles as `unsent` or `unknown`, whichever is true. */
  signal?: AbortSignal | undefined;
  /** UNIX seconds: once it has passed, the request is not sent any more; 0 has no such time. */
  expiration?: number | undefined;
  /** Those of one flow are sent in their order, and flows take turns. @default one for all that name none */
  flow?: Flow | undefined;
  /** The connection not to use, where another can be had: Apple's InternalServerError sticks to one. */
  avoid?: number | undefined;
}

/** Persistent connections to one gateway with one set of credentials. */
export interface Sender {
  /** Settles exactly once, by the deadline at the latest, and never rejects. */
  send(request: ApnsRequest, options: SendOptions): Promise<Outcome>;
  /** Whether so many more requests may wait, whose bodies are so long together. */
  hasRoom(requests: number, bodyBytes: number): boolean;
  /**
   * Lets nothing leave before that time, in milliseconds of performance.now, and then few requests at first. Those whose
   * deadline is sooner are refused at once.
   * @param reason why: the cause of their outcomes
   */
  pause(until: number, reason: Error): void;
  /** Resolves once the gateway has taken the connection (its SETTINGS came); rejects with the reason where it has not by then. */
  ready(options: SendOptions): Promise<void>;
  /** Whether a connection stands that takes requests. */
  readonly connected: boolean;
  /** Why nothing can be sent at the moment, if so: how the last connection failed, while there is none. */
  trouble(): Error | undefined;
  /** Since when there is such trouble, in UNIX milliseconds. */
  readonly troubleSince: number | undefined;
  /** Refuses new requests, lets those that wait or are under way finish, leaves no handle open. */
  close(): Promise<void>;
  /** Like {@link close}, but hands back as `unsent` what waits: it can go elsewhere at once. */
  retire(): Promise<void>;
}

export interface SenderOptions {
  /** `https://host:port` of the gateway. */
  gateway: string;
  /** Client certificate and key, PEM; absent with token credentials. */
  cert?: string;
  key?: string;
  /** Certificate authorities, PEM, beside those that Node brings. */
  ca?: readonly string[];
  /** The `authorization` header's value, asked for each request; absent with a client certificate. */
  authorization?: () => string;
  /** Told what an operator would want to know: a line's event and its fields. */
  log?: Log;
  /** Other numbers than the defaults, see limits.ts. */
  limits?: Partial<Limits>;
}
