/** The daemon's memory of notifications: a repeat joins the one under way or gets the answer given, and Apple sees it once. */
import { type Bucketed, Buckets } from '../apns/buckets.js';
import type { Verdict } from '../apns/verdict.js';
import { InvalidArgumentError } from '../errors.js';
import type { Told } from './apps.js';
import type { Digest, Fingerprint } from './fingerprint.js';
import { KeptAnswers } from './kept-answers.js';

/** Longer than any caller's deadline, by far. */
const maxAgeMs = 10 * 60_000;

/** Wants a notification to be sent. */
export interface Asker extends Told {
  /** The apns-id. */
  readonly id: string;
  readonly fingerprint: Fingerprint;
  readonly payload: Digest;
  /** In milliseconds of performance.now. */
  readonly deadline: number;
  /** @param told hears how it ended */
  send(told: Told): void;
}

/** Who is told that one under way is over. */
interface Ledger {
  answered(underWay: UnderWay, verdict: Verdict): void;
  broke(underWay: UnderWay, error: unknown): void;
}

class UnderWay implements Told, Bucketed<UnderWay> {
  readonly asker: Asker;
  /** Those who asked for the same meanwhile. */
  joined: Asker[] | undefined;
  next: UnderWay | undefined;
  readonly #ledger: Ledger;

  constructor(asker: Asker, ledger: Ledger) {
    this.asker = asker;
    this.#ledger = ledger;
  }

  get bucketKey(): number {
    return this.asker.fingerprint.hash;
  }

  join(asker: Asker): void {
    this.joined ??= [];
    this.joined.push(asker);
  }

  answered(verdict: Verdict): void {
    this.#ledger.answered(this, verdict);
  }

  broke(error: unknown): void {
    this.#ledger.broke(this, error);
  }
}

/** About so many are under way in a hurry. */
const UNDER_WAY_BUCKETS = 4096;

export class Answers {
  readonly #now: () => number;
  readonly #kept: KeptAnswers;
  readonly #underWay = new Buckets<UnderWay>(UNDER_WAY_BUCKETS);
  readonly #ledger: Ledger = {
    answered: (underWay, verdict) => this.#answered(underWay, verdict),
    broke: (underWay, error) => this.#broke(underWay, error),
  };
  #forgotten = 0;

  /** @param limit of Apple's final answers that are kept @param now milliseconds of performance.now */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#kept = new KeptAnswers(limit);
    this.#now = now;
  }

  /** `forgotten`: answers that were dropped before their time, so that a repeat would have been sent again. */
  get counts(): { underWay: number; kept: number; forgotten: number } {
    return { underWay: this.#underWay.size, kept: this.#kept.size, forgotten: this.#forgotten };
  }

  /**
   * Sends what was not sent yet. The asker is told Apple's answer, or an InvalidArgumentError where app, token and id
   * stood for another payload. One that failed is not remembered: whoever had joined it and has time left sends it again.
   */
  once(asker: Asker): void {
    this.#kept.forget(this.#now() - maxAgeMs);
    const underWay = this.#find(asker.fingerprint);
    if (underWay) {
      if (underWay.asker.payload.equals(asker.payload)) underWay.join(asker);
      else refuse(asker);
      return;
    }
    const kept = this.#kept.find(asker.fingerprint, asker.payload);
    if (!kept) this.#send(asker);
    else if (kept.samePayload) asker.answered(kept.verdict);
    else refuse(asker);
  }

  #send(asker: Asker): void {
    const underWay = new UnderWay(asker, this.#ledger);
    this.#underWay.add(underWay);
    try {
      asker.send(underWay);
    } catch (error) {
      underWay.broke(error);
    }
  }

  #answered(underWay: UnderWay, verdict: Verdict): void {
    if (!this.#underWay.remove(underWay)) return;
    const { asker, joined = [] } = underWay;
    const now = this.#now();
    const failed = verdict.kind === 'failed';
    if (!failed && !this.#kept.keep(asker.fingerprint, asker.payload, verdict, now)) {
      this.#forgotten += 1;
    }
    asker.answered(verdict);
    for (const other of joined) {
      if (failed && now < other.deadline) this.once(other);
      else other.answered(verdict);
    }
  }

  #broke(underWay: UnderWay, error: unknown): void {
    if (!this.#underWay.remove(underWay)) return;
    for (const asker of [underWay.asker, ...(underWay.joined ?? [])]) asker.broke(error);
  }

  #find(fingerprint: Fingerprint): UnderWay | undefined {
    let underWay = this.#underWay.first(fingerprint.hash);
    while (underWay && !underWay.asker.fingerprint.equals(fingerprint)) underWay = underWay.next;
    return underWay;
  }
}

function refuse(asker: Asker): void {
  const what = `id ${asker.id} was used for another payload to this token, expected a new id`;
  asker.answered({ kind: 'failed', error: new InvalidArgumentError(what) });
}
