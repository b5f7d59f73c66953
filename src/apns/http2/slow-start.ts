/**
 * The streams of the connections after one that was cut with answers missing. A gateway that cuts again and again would
 * lose a full connection's requests each time, and get nowhere: few are under way at first, twice as many with each
 * round of answers, as TCP does after a loss.
 */

/** A round of answers doubles them: a connection of 1,000 streams is full after seven rounds. */
const FIRST_STREAMS = 8;
/** The next cut loses no more than this share of what a connection carries before it. */
const MAX_LOST_SHARE = 1 / 16;
/** One that has carried so many times what the cut one had is not cut after as many. */
const PROVEN_LIFETIMES = 2;

export class SlowStart {
  /** How many requests may be under way on a connection. */
  streams: number;
  readonly #heldAt: number;
  readonly #heldFor: number;
  #answered = 0;

  /** @param answered how many requests of the connection that was cut had their answers @param lost how many had none */
  constructor(answered: number, lost: number) {
    const lifetime = answered + lost;
    this.#heldAt = Math.max(1, Math.floor(lifetime * MAX_LOST_SHARE));
    this.#heldFor = lifetime * PROVEN_LIFETIMES;
    this.streams = Math.min(FIRST_STREAMS, this.#heldAt);
  }

  onAnswer(): void {
    this.#answered += 1;
    if (this.streams < this.#heldAt || this.#answered > this.#heldFor) this.streams += 1;
  }
}
