/** The daemon's memory of notifications: a repeat joins the one under way or gets the answer given, and Apple sees it once. */
import { type Bucketed, Buckets } from '../../apns/http2/buckets.js';
import type { RetryState } from '../../apns/retry.js';
import type { Verdict } from '../../apns/verdict.js';
import { type ApnsdError, InvalidArgumentError } from '../../errors.js';
import type { Told } from '../apps/apps.js';
import type { Digest, Fingerprint } from './fingerprint.js';
import { KeptAnswers } from './kept-answers.js';
import { RetryStates } from './retry-states.js';

/** Longer than any caller's deadline, by far. */
const maxAgeMs = 10 * 60_000;

/** Wants a notification to be sent. */
export interface Asker {
  /** The apns-id. */
  readonly id: string;
  readonly fingerprint: Fingerprint;
  readonly payload: Digest;
  /** In milliseconds of performance.now. */
  readonly deadline: number;
  /** @param told hears how it ended @param state where it has failed before */
  send(told: Told, state: RetryState | undefined): void;
  answered(verdict: Verdict): void;
  /** By an error of our own. */
  broke(error: unknown): void;
  /** It is under way still, and this is why. */
  waits(error: ApnsdError): void;
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
  /** Once it has failed, now or before. */
  state: RetryState | undefined;
  readonly #ledger: Ledger;

  constructor(asker: Asker, state: RetryState | undefined, ledger: Ledger) {
    this.asker = asker;
    this.state = state;
    this.#ledger = ledger;
  }

  get bucketKey(): number {
    return this.asker.fingerprint.hash;
  }

  join(asker: Asker): void {
    this.joined ??= [];
    this.joined.push(asker);
    if (this.state) asker.waits(this.state.error);
  }

  retries(state: RetryState): void {
    this.state = state;
    this.asker.waits(state.error);
    for (const asker of this.joined ?? []) asker.waits(state.error);
  }

  answered(verdict: Verdict): void {
    this.#ledger.answered(this, verdict);
  }

  broke(error: unknown): void {
    this.#ledger.broke(this, error);
  }
}

/** As many as may wait for a connection: those that rest until they may be sent again take memory too. */
const maxUnderWay = 100_000;
/** About so many are under way in a hurry. */
const UNDER_WAY_BUCKETS = 4096;

export class Deduplicator {
  readonly #now: () => number;
  readonly #kept: KeptAnswers;
  readonly #failed: RetryStates;
  readonly #underWay = new Buckets<UnderWay>(UNDER_WAY_BUCKETS);
  readonly #ledger: Ledger = {
    answered: (underWay, verdict) => this.#answered(underWay, verdict),
    broke: (underWay, error) => this.#broke(underWay, error),
  };
  #forgotten = 0;

  /**
   * @param limit of Apple's final answers that are kept, and of what is known of notifications that failed
   * @param now milliseconds of performance.now
   */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#kept = new KeptAnswers(limit);
    this.#failed = new RetryStates(limit, maxAgeMs);
    this.#now = now;
  }

  /**
   * `failed`: notifications that failed, and are sent no sooner than they may be if somebody asks for them again.
   * `forgotten`: answers that were dropped before their time, so that a repeat would have been sent again.
   */
  get counts(): { underWay: number; kept: number; failed: number; forgotten: number } {
    return {
      underWay: this.#underWay.size,
      kept: this.#kept.size,
      failed: this.#failed.size,
      forgotten: this.#forgotten,
    };
  }

  /** Whether so many more may be under way. */
  hasRoom(count: number): boolean {
    return this.#underWay.size + count <= maxUnderWay;
  }

  /**
   * Sends what was not sent yet. The asker is told Apple's answer, or an InvalidArgumentError where app, token and id
   * stood for another payload. A failure is no answer: of those who had joined it and have time left, one sends it again,
   * and so does whoever asks later, but none sooner than Apple and the back-off allow.
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
    if (!kept) this.#send(asker, this.#failed.take(asker.fingerprint, this.#now()));
    else if (kept.samePayload) asker.answered(kept.verdict);
    else refuse(asker);
  }

  #send(asker: Asker, state: RetryState | undefined): void {
    const underWay = new UnderWay(asker, state, this.#ledger);
    this.#underWay.add(underWay);
    if (state) asker.waits(state.error);
    try {
      asker.send(underWay, state);
    } catch (error) {
      underWay.broke(error);
    }
  }

  #answered(underWay: UnderWay, verdict: Verdict): void {
    if (!this.#underWay.remove(underWay)) return;
    const { asker, joined = [], state } = underWay;
    const now = this.#now();
    if (verdict.kind !== 'failed') {
      if (!this.#kept.keep(asker.fingerprint, asker.payload, verdict, now)) this.#forgotten += 1;
      for (const each of [asker, ...joined]) each.answered(verdict);
      return;
    }
    const { error } = verdict;
    const failed = state ?? { failures: 0, notBefore: now, error };
    this.#failed.keep(asker.fingerprint, failed, now);
    asker.answered(verdict);
    // Who has most time left sends it, the others join.
    joined.sort((one, other) => other.deadline - one.deadline);
    for (const other of joined) {
      if (Math.max(now, failed.notBefore) < other.deadline) this.once(other);
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
