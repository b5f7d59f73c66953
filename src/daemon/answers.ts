/** The daemon's memory of notifications: a repeat joins the one under way or gets the answer given, and Apple sees it once. */
import type { Verdict } from '../apns/verdict.js';
import { InvalidArgumentError } from '../errors.js';

/** Longer than any caller's deadline, by far. */
const maxAgeMs = 10 * 60_000;

interface UnderWay {
  payloadHash: string;
  verdict: Promise<Verdict>;
}

interface Given {
  payloadHash: string;
  verdict: Verdict;
  /** UNIX milliseconds. */
  at: number;
}

/** A notification as repeats are known by. */
export interface Identity {
  appId: string;
  token: string;
  id: string;
  /** Of the payload itself, 50,000 would take too much. */
  payloadHash: string;
}

export class Answers {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #underWay = new Map<string, UnderWay>();
  /** In the order in which they were given. */
  readonly #given = new Map<string, Given>();
  #forgotten = 0;

  /** @param limit of Apple's final answers that are kept @param now UNIX milliseconds */
  constructor(limit: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** `forgotten`: answers that were dropped before their time, so that a repeat would have been sent again. */
  get counts(): { underWay: number; kept: number; forgotten: number } {
    return { underWay: this.#underWay.size, kept: this.#given.size, forgotten: this.#forgotten };
  }

  /**
   * Sends what was not sent yet. One that failed is not remembered: whoever had joined it and has time left sends it again.
   * @param deadline the caller's, in UNIX milliseconds
   * @throws InvalidArgumentError where app, token and id stood for another payload
   */
  once(
    { appId, token, id, payloadHash }: Identity,
    deadline: number,
    send: () => Promise<Verdict>,
  ): Promise<Verdict> {
    const key = `${id} ${token} ${appId}`;
    const known = this.#recall(key) ?? this.#underWay.get(key);
    if (!known) return this.#send(key, payloadHash, send);
    if (known.payloadHash !== payloadHash) {
      const what = `id ${id} was used for another payload to this token, expected a new id`;
      return Promise.reject(new InvalidArgumentError(what));
    }
    return this.#join(known, { appId, token, id, payloadHash }, deadline, send);
  }

  async #join(
    known: Given | UnderWay,
    identity: Identity,
    deadline: number,
    send: () => Promise<Verdict>,
  ): Promise<Verdict> {
    const verdict = await known.verdict;
    if (verdict.kind !== 'failed' || this.#now() >= deadline) return verdict;
    return this.once(identity, deadline, send);
  }

  async #send(key: string, payloadHash: string, send: () => Promise<Verdict>): Promise<Verdict> {
    const sent = send();
    this.#underWay.set(key, { payloadHash, verdict: sent });
    try {
      const verdict = await sent;
      if (verdict.kind !== 'failed') this.#keep(key, { payloadHash, verdict, at: this.#now() });
      return verdict;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #recall(key: string): Given | undefined {
    const given = this.#given.get(key);
    if (!given || !this.#old(given)) return given;
    this.#given.delete(key);
    return undefined;
  }

  #keep(key: string, given: Given): void {
    this.#given.set(key, given);
    for (const [oldest, kept] of this.#given) {
      if (!this.#old(kept)) {
        if (this.#given.size <= this.#limit) return;
        this.#forgotten += 1;
      }
      this.#given.delete(oldest);
    }
  }

  #old({ at }: Given): boolean {
    return this.#now() - at >= maxAgeMs;
  }
}
