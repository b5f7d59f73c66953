/** The daemon's memory of notifications: a repeat joins the one under way or gets the answer given, and Apple sees it once. */
import { hash } from 'node:crypto';
import type { Verdict } from '../apns/verdict.js';
import { InvalidArgumentError } from '../errors.js';

/** Longer than any caller's deadline, by far. */
const maxAgeMs = 10 * 60_000;

interface Entry {
  key: string;
  payloadHash: string;
  /** A promise while it is under way. */
  verdict: Verdict | Promise<Verdict>;
  /** When the answer was given, in UNIX milliseconds. */
  at: number;
  /** The one whose answer was given next. */
  next: Entry | undefined;
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
  readonly #known = new Map<string, Entry>();
  /** Answers given, in their order: a map comes slowly to its first entry once many before it were deleted. */
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #kept = 0;
  #forgotten = 0;

  /** @param limit of Apple's final answers that are kept @param now UNIX milliseconds */
  constructor(limit: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** `forgotten`: answers that were dropped before their time, so that a repeat would have been sent again. */
  get counts(): { underWay: number; kept: number; forgotten: number } {
    const underWay = this.#known.size - this.#kept;
    return { underWay, kept: this.#kept, forgotten: this.#forgotten };
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
    // Short, for 50,000 are kept, and not quicker found by their whole text.
    const key = hash('sha1', `${id} ${token} ${appId}`, 'base64');
    this.#forgetOld();
    const known = this.#known.get(key);
    if (!known) return this.#send(key, payloadHash, send);
    if (known.payloadHash !== payloadHash) {
      const what = `id ${id} was used for another payload to this token, expected a new id`;
      return Promise.reject(new InvalidArgumentError(what));
    }
    return this.#join(known, { appId, token, id, payloadHash }, deadline, send);
  }

  async #join(
    known: Entry,
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
    const entry: Entry = { key, payloadHash, verdict: sent, at: 0, next: undefined };
    this.#known.set(key, entry);
    try {
      const verdict = await sent;
      if (verdict.kind === 'failed') this.#known.delete(key);
      else this.#keep(entry, verdict);
      return verdict;
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
  }

  #keep(entry: Entry, verdict: Verdict): void {
    entry.verdict = verdict;
    entry.at = this.#now();
    if (this.#newest) this.#newest.next = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    this.#kept += 1;
    if (this.#kept <= this.#limit) return;
    this.#forgotten += 1;
    this.#forget(this.#oldest as Entry);
  }

  #forgetOld(): void {
    const longAgo = this.#now() - maxAgeMs;
    while (this.#oldest && this.#oldest.at <= longAgo) this.#forget(this.#oldest);
  }

  #forget(oldest: Entry): void {
    this.#known.delete(oldest.key);
    this.#oldest = oldest.next;
    if (!this.#oldest) this.#newest = undefined;
    this.#kept -= 1;
  }
}
