/** What a simulator was told to do to the requests to come. */
import type { Refusal } from './checks.js';

/** Which requests a command is for. */
export interface Limit {
  /** How many requests; Infinity for all. @default 1 */
  times?: number;
  /** Only requests to this device token. @default any */
  token?: string;
}

/**
 * Whether it happens before or after the request is recorded. Before, nothing of it counts, as if it had never
 * arrived; after, Apple has processed it and only the answer fails to come.
 */
export type When = 'before' | 'after';

/** An answer on command. */
export interface Answer {
  /** 200 to 599. */
  status: number;
  /** Apple's reason, for the body. */
  reason?: string;
  /** UNIX milliseconds, for the body. */
  timestamp?: number;
  /** Beside, or in place of, those that Apple sends. */
  headers?: Record<string, string>;
  /** The body as it is, in place of Apple's JSON. */
  body?: string;
}

/** Ways not to answer. */
export type CutOff =
  | { kind: 'stall' | 'hangUp'; when: When }
  | { kind: 'reset'; when: When; code: number };

/** How long an answer waits: for so many milliseconds, or for a promise. */
export interface Delay {
  when: When;
  over: number | Promise<void>;
}

export class Commands {
  readonly answers = new Queue<{ kind: 'answer'; answer: Answer } | CutOff>();
  readonly delays = new Queue<Delay>();
  /** Refused until further notice, by device token in lower case. */
  readonly deviceTokens = new Map<string, Refusal>();
}

class Queue<T> {
  #orders: { command: T; left: number; token: string | undefined }[] = [];

  add(command: T, { times = 1, token }: Limit = {}): void {
    if (times > 0) this.#orders.push({ command, left: times, token: token?.toLowerCase() });
  }

  /** The oldest command for this device token, used up by one. */
  take(token: string): T | undefined {
    const order = this.#orders.find((one) => one.token === undefined || one.token === token);
    if (!order) return undefined;
    order.left -= 1;
    if (order.left <= 0) this.#orders = this.#orders.filter((one) => one !== order);
    return order.command;
  }

  clear(): void {
    this.#orders = [];
  }
}
