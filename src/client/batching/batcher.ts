/** Puts notifications of one app together into requests: the first goes at once, those that come while requests are in flight go together. */
import { InvalidArgumentError, ProtocolError } from '../../errors.js';
import { expired } from '../../notification/expiration.js';
import { Fault } from '../../rpc/faults.js';
import type { WrittenAnswer } from '../../rpc/methods.js';
import { isNoSuchMethod } from '../xmlrpc/pyapns.js';
import type { RequestOptions } from '../xmlrpc/request-options.js';
import { Batch, type BatchMember } from './batch.js';
import { encodeSend, readAnswers } from './send-codec.js';

export interface BatcherDeps {
  /** Whether the session still stands that requests are to be sent in. */
  isCurrent: () => boolean;
  send: (text: string, options: RequestOptions) => Promise<unknown>;
  /** What a request has. */
  timeoutMs: () => number;
}

/** While requests are in flight the next one fills for so long, for each of them: a slow daemon gets fewer and fuller ones. */
const PACE_MS = 2;
/** Enough for a request not to wait for more: what it costs by itself is little for each then. */
const FEW_MEMBERS = 16;
/** Keeps the daemon busy; with more, each would wait longer for the same. */
const MAX_RECENT = 8;
/** A request that is in flight for longer waits for Apple, not for the daemon: it takes no other's place. */
const RECENT_MS = 50;
/** Each has a connection. */
const MAX_IN_FLIGHT = 32;

export class Batcher {
  readonly #deps: BatcherDeps;
  readonly #waiting: Batch[] = [];
  #inFlight = 0;
  /** Of these, those that were sent in the last {@link RECENT_MS}. */
  #recent = 0;
  /** In milliseconds of performance.now. */
  #lastSentAt = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: BatcherDeps) {
    this.#deps = deps;
  }

  add(member: BatchMember): void {
    if (!this.#waiting.at(-1)?.tryAdd(member)) this.#addBatch(member);
    this.#sendWhatIsDue();
  }

  #addBatch(member: BatchMember, alone = false): void {
    const batch = new Batch(alone);
    batch.tryAdd(member);
    this.#waiting.push(batch);
  }

  get #hasSlot(): boolean {
    return this.#recent < MAX_RECENT && this.#inFlight < MAX_IN_FLIGHT;
  }

  #sendWhatIsDue(): void {
    while (this.#hasSlot) {
      const [first] = this.#waiting;
      if (!first) return;
      if (first.full || this.#waiting.length > 1) this.#sendFirst();
      else {
        this.#schedule(first);
        return;
      }
    }
  }

  /** At the end of this turn where nothing is in flight: whoever calls in the same turn comes along. */
  #schedule(first: Batch): void {
    if (this.#immediate) return;
    const enough = first.members.length >= FEW_MEMBERS;
    const restMs = enough ? 0 : this.#lastSentAt + PACE_MS * this.#inFlight - performance.now();
    if (restMs > 0 && this.#inFlight > 0) this.#timer ??= setTimeout(() => this.#flush(), restMs);
    else this.#immediate = setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#immediate = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#hasSlot) this.#sendFirst();
    this.#sendWhatIsDue();
  }

  #sendFirst(): void {
    if (!this.#deps.isCurrent()) {
      const lost = this.#waiting.splice(0).flatMap(({ members }) => members);
      for (const member of lost) member.onNotSent();
      return;
    }
    const batch = this.#waiting.shift();
    const members = batch?.members.filter(isStillWanted) ?? [];
    const more = this.#inFlight > 0 || batch?.full;
    for (const part of more ? [members] : halves(members)) {
      if (part.length > 0) void this.#send(part);
    }
  }

  async #send(members: BatchMember[]): Promise<void> {
    const release = this.#acquireSlot();
    const wanted = new Wanted(members.length);
    for (const member of members) {
      member.onQueued(wanted.cancelOne);
      member.onSent();
    }
    let answers: WrittenAnswer[];
    try {
      const timeoutMs = this.#deps.timeoutMs();
      const text = encodeSend(members, timeoutMs);
      const options = { timeoutMs, onCancellable: wanted.onCancellable };
      const answer = await this.#deps.send(text, options);
      answers = readAnswers(answer, members.length);
    } catch (error) {
      this.#onError(members, error);
      release();
      return;
    }
    let position = 0;
    for (const member of members) {
      member.onAnswer(answers[position] as WrittenAnswer);
      position += 1;
    }
    release();
  }

  #onError(members: BatchMember[], error: unknown): void {
    const apart = members.length > 1 && isOfOne(error);
    for (const member of members) {
      if (!apart) member.onError(error);
      else if (!member.ended) {
        member.onQueued(undefined);
        this.#addBatch(member, true);
      }
    }
  }

  #acquireSlot(): () => void {
    this.#lastSentAt = performance.now();
    this.#inFlight += 1;
    this.#recent += 1;
    let recent = true;
    const age = () => {
      if (recent) this.#recent -= 1;
      recent = false;
      this.#sendWhatIsDue();
    };
    const timer = setTimeout(age, RECENT_MS);
    return () => {
      clearTimeout(timer);
      this.#inFlight -= 1;
      age();
    };
  }
}

/** Ends a request once none of its members is wanted any more. */
class Wanted {
  #count: number;
  #cancelRequest: ((reason: unknown) => void) | undefined;

  constructor(count: number) {
    this.#count = count;
  }

  readonly cancelOne = () => {
    this.#count -= 1;
    this.#cancelIfNone();
  };

  readonly onCancellable = (cancel: (reason: unknown) => void) => {
    this.#cancelRequest = cancel;
    this.#cancelIfNone();
  };

  #cancelIfNone(): void {
    if (this.#count === 0) this.#cancelRequest?.(new Error('nobody waits for it'));
  }
}

/** So that the daemon is at one half while we are at the other; a few stay together. */
function halves(members: BatchMember[]): BatchMember[][] {
  const half = Math.floor(members.length / 2);
  return half < FEW_MEMBERS ? [members] : [members.slice(0, half), members.slice(half)];
}

/** Asked when the request is sent. */
function isStillWanted(member: BatchMember): boolean {
  if (member.ended) return false;
  const tooLate = expired(member.encoded.checked.expiration);
  if (tooLate) member.onError(tooLate);
  return !tooLate;
}

/** The request was refused for what it holds: one of its members may be to blame, and none of the others may fail for it. */
function isOfOne(error: unknown): boolean {
  if (error instanceof InvalidArgumentError) return true;
  return error instanceof ProtocolError && error.cause instanceof Fault && !isNoSuchMethod(error);
}
