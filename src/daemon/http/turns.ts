/**
 * Long work in turns: however much of it there is, a stretch of one is done between two looks at the network. What
 * came first is finished first: half-done work is memory that waits.
 */

/** Resolves when it is this work's turn, for a stretch of some milliseconds at most. */
export type Turn = () => Promise<void>;

interface Waiting {
  arrival: number;
  go: () => void;
}

export class Turns {
  #arrivals = 0;
  readonly #waiting: Waiting[] = [];

  /** For a work that has come now. */
  arrive(): Turn {
    this.#arrivals += 1;
    const arrival = this.#arrivals;
    return () => new Promise((go) => this.#wait({ arrival, go }));
  }

  #wait(work: Waiting): void {
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1]?.arrival ?? 0) > work.arrival) place -= 1;
    this.#waiting.splice(place, 0, work);
    if (this.#waiting.length === 1) setImmediate(this.#pass);
  }

  readonly #pass = (): void => {
    this.#waiting.shift()?.go();
    // From here it is for the next round of the event loop.
    if (this.#waiting.length > 0) setImmediate(this.#pass);
  };
}
