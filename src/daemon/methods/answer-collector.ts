/** The answers to the members of one call, which waits for the slowest no longer than is good for the others. */

/** So long a call waits for its slowest members. */
const patienceMs = 2000;
/** Where some have settled and so long no other has, the rest holds them up no longer. */
const lullMs = 250;

export class AnswerCollector<T> {
  readonly #answers: (T | undefined)[];
  #left: number;
  #finished: (() => void) | undefined;
  #failed: ((error: unknown) => void) | undefined;
  #failure: { error: unknown } | undefined;

  constructor(members: number) {
    this.#answers = new Array(members).fill(undefined);
    this.#left = members;
  }

  /** What is answered for a member if it does not settle in time. */
  note(place: number, answer: T): void {
    this.#answers[place] = answer;
  }

  /** Once for each member. */
  settle(place: number, answer: T): void {
    this.#answers[place] = answer;
    this.#left -= 1;
    if (this.#left === 0) this.#finished?.();
  }

  /** The call as a whole has no answer. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#failed?.(error);
  }

  /**
   * Resolves with the answers that have come; for the rest with what was noted, else undefined.
   * @param draining once it is aborted, all are waited for: a daemon that is leaving can't be asked again
   */
  async answers(draining: AbortSignal): Promise<(T | undefined)[]> {
    if (this.#failure) throw this.#failure.error;
    if (this.#left > 0) await this.#wait(draining);
    return this.#answers;
  }

  async #wait(draining: AbortSignal): Promise<void> {
    const members = this.#answers.length;
    let lastLeft = this.#left;
    let waitedMs = 0;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#finished = resolve;
        this.#failed = reject;
        timer = setInterval(() => {
          waitedMs += lullMs;
          const lull = this.#left === lastLeft && this.#left < members;
          lastLeft = this.#left;
          if ((lull || waitedMs >= patienceMs) && !draining.aborted) resolve();
        }, lullMs);
      });
    } finally {
      clearInterval(timer);
    }
  }
}
