/** The line in which requests wait for a connection: whoever sends many takes turns with whoever sends one. */

/** Requests that belong together, as those of one call: they keep their order, and flows take turns. */
export class Flow {}

/** What can stand in a line. The links are the line's own. */
export interface Queued<T extends Queued<T>> {
  readonly flow: Flow;
  readonly bodyBytes: number;
  line: FairQueue<T> | undefined;
  lane: FlowQueue<T> | undefined;
  before: T | undefined;
  behind: T | undefined;
}

/** What waits of one flow, first in, first out. */
export interface FlowQueue<T> {
  flow: Flow;
  first: T | undefined;
  last: T | undefined;
  /** In the ring of those whose turn comes. */
  next: FlowQueue<T>;
  previous: FlowQueue<T>;
}

export class FairQueue<T extends Queued<T>> {
  length = 0;
  bytes = 0;
  readonly #lanes = new Map<Flow, FlowQueue<T>>();
  /** Whose turn it is. */
  #turn: FlowQueue<T> | undefined;

  push(queued: T): void {
    const lane = this.#laneOf(queued);
    const { last } = lane;
    queued.before = last;
    queued.behind = undefined;
    if (last) last.behind = queued;
    else lane.first = queued;
    lane.last = queued;
  }

  /** For one that has waited before: it is the next. */
  pushFront(queued: T): void {
    const lane = this.#laneOf(queued);
    const { first } = lane;
    queued.before = undefined;
    queued.behind = first;
    if (first) first.before = queued;
    else lane.last = queued;
    lane.first = queued;
    this.#turn = lane;
  }

  shift(): T | undefined {
    const lane = this.#turn;
    if (!lane?.first) return undefined;
    this.#turn = lane.next;
    const { first } = lane;
    this.remove(first);
    return first;
  }

  /** Any member can leave at any time. */
  remove(queued: T): void {
    const { lane, before, behind } = queued;
    if (!lane) return;
    if (before) before.behind = behind;
    else lane.first = behind;
    if (behind) behind.before = before;
    else lane.last = before;
    queued.before = undefined;
    queued.behind = undefined;
    queued.lane = undefined;
    queued.line = undefined;
    this.length -= 1;
    this.bytes -= queued.bodyBytes;
    if (!lane.first) this.#close(lane);
  }

  #laneOf(queued: T): FlowQueue<T> {
    const { flow } = queued;
    const lane = this.#lanes.get(flow) ?? this.#openLane(flow);
    queued.line = this;
    queued.lane = lane;
    this.length += 1;
    this.bytes += queued.bodyBytes;
    return lane;
  }

  /** Behind all others: just before whose turn it is. */
  #openLane(flow: Flow): FlowQueue<T> {
    const lane = { flow, first: undefined, last: undefined } as unknown as FlowQueue<T>;
    lane.next = this.#turn ?? lane;
    lane.previous = this.#turn?.previous ?? lane;
    lane.next.previous = lane;
    lane.previous.next = lane;
    this.#turn ??= lane;
    this.#lanes.set(flow, lane);
    return lane;
  }

  #close(lane: FlowQueue<T>): void {
    this.#lanes.delete(lane.flow);
    lane.previous.next = lane.next;
    lane.next.previous = lane.previous;
    if (this.#turn === lane) this.#turn = lane.next === lane ? undefined : lane.next;
  }
}
