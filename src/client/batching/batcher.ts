/** The queue of calls that share requests: the first goes at once, those that come while requests are under way go together. */
import { InvalidArgumentError, ProtocolError } from '../../errors.js';
import { expired } from '../../notification/expiration.js';
import { Fault } from '../../rpc/faults.js';
import type { WrittenAnswer } from '../../rpc/methods.js';
import { isNoSuchMethod } from '../xmlrpc/pyapns.js';
import type { RequestOptions } from '../xmlrpc/request-options.js';
import { Batch, type Member } from './batch.js';
import { encodeSend, readAnswers } from './send-codec.js';

export interface RequestSender {
  /** Whether requests may still go this way. */
  isCurrent: () => boolean;
  send: (text: string, options: RequestOptions) => Promise<unknown>;
  /** What a request has. */
  timeoutMs: () => number;
}

/** While requests are under way the next one fills for so long, for each of them: a slow daemon gets fewer and fuller ones. */
const paceMs = 2;
/** Enough for a request not to wait for more: what it costs by itself is little for each then. */
const fewMembers = 16;
/** Keeps the daemon busy; with more, each would wait longer for the same. */
const maxRecent = 8;
/** A request that is away for longer waits for Apple, not for the daemon: it takes no other's place. */
const recentMs = 50;
/** Each has a connection. */
const maxUnderWay = 32;

export class Batcher {
  readonly #sender: RequestSender;
  readonly #waiting: Batch[] = [];
  #inFlight = 0;
  /** Of these, those that left in the last moments. */
  #recent = 0;
  /** When one left last, in milliseconds of performance.now. */
  #lastSentAt = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(route: RequestSender) {
    this.#sender = route;
  }

  join(member: Member): void {
    if (!this.#waiting.at(-1)?.tryAdd(member)) this.#add(member);
    this.#sendWhatIsDue();
  }

  #add(member: Member, alone = false): void {
    const batch = new Batch(alone);
    batch.tryAdd(member);
    this.#waiting.push(batch);
  }

  get #hasSlot(): boolean {
    return this.#recent < maxRecent && this.#inFlight < maxUnderWay;
  }

  #sendWhatIsDue(): void {
    while (this.#hasSlot) {
      const [first] = this.#waiting;
      if (!first) return;
      if (first.full || this.#waiting.length > 1) this.#sendFirst();
      else {
        this.#scheduleSend(first);
        return;
      }
    }
  }

  /** At the end of this turn where nothing is under way: whoever calls in the same turn comes along. */
  #scheduleSend(first: Batch): void {
    if (this.#immediate) return;
    const enough = first.members.length >= fewMembers;
    const restMs = enough ? 0 : this.#lastSentAt + paceMs * this.#inFlight - performance.now();
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
    if (!this.#sender.isCurrent()) {
      const lost = this.#waiting.splice(0).flatMap(({ members }) => members);
      for (const member of lost) member.answered(undefined);
      return;
    }
    const batch = this.#waiting.shift();
    const members = batch?.members.filter(mayLeave) ?? [];
    const more = this.#inFlight > 0 || batch?.full;
    for (const part of more ? [members] : halves(members)) {
      if (part.length > 0) void this.#send(part);
    }
  }

  async #send(members: Member[]): Promise<void> {
    const giveBack = this.#acquireSlot();
    let waiting = members.length;
    let giveUp: ((reason: unknown) => void) | undefined;
    const look = () => {
      if (waiting === 0) giveUp?.(new Error('nobody waits for it'));
    };
    const left = () => {
      waiting -= 1;
      look();
    };
    const begun: RequestOptions['begun'] = (end) => {
      giveUp = end;
      look();
    };
    for (const member of members) {
      member.left = left;
      member.call.departs();
    }
    let answers: WrittenAnswer[];
    try {
      const timeoutMs = this.#sender.timeoutMs();
      const text = encodeSend(members, timeoutMs);
      const answer = await this.#sender.send(text, { timeoutMs, begun });
      answers = readAnswers(answer, members.length);
    } catch (error) {
      this.#failed(members, error);
      giveBack();
      return;
    }
    let position = 0;
    for (const member of members) {
      member.left = undefined;
      member.answered(answers[position]);
      position += 1;
    }
    giveBack();
  }

  #failed(members: Member[], error: unknown): void {
    const apart = members.length > 1 && isOfOne(error);
    for (const member of members) {
      member.left = undefined;
      if (apart) this.#add(member, true);
      else member.failed(error);
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
    const timer = setTimeout(age, recentMs);
    return () => {
      clearTimeout(timer);
      this.#inFlight -= 1;
      age();
    };
  }
}

/** So that the daemon is at one half while we are at the other; a few stay together. */
function halves(members: Member[]): Member[][] {
  const half = Math.floor(members.length / 2);
  return half < fewMembers ? [members] : [members.slice(0, half), members.slice(half)];
}

/** Looked at when the request leaves. */
function mayLeave(member: Member): boolean {
  if (member.call.ended) return false;
  const tooLate = expired(member.letter.encoded.checked.expiration);
  if (tooLate) member.failed(tooLate);
  return !tooLate;
}

/** The request was refused for what it holds: one of its members may be to blame, and none of the others may fail for it. */
function isOfOne(error: unknown): boolean {
  if (error instanceof InvalidArgumentError) return true;
  return error instanceof ProtocolError && error.cause instanceof Fault && !isNoSuchMethod(error);
}
