/** Promises for what has yet to happen. */

interface Waiter<T> {
  wants: (event: T) => boolean;
  resolve: (event: T) => void;
  reject: (error: unknown) => void;
}

export class Waiting<T> {
  #waiters: Waiter<T>[] = [];

  /** Resolves with the next event that `wants` takes. */
  next(wants: (event: T) => boolean): Promise<T> {
    const promise = new Promise<T>((resolve, reject) => {
      this.#waiters.push({ wants, resolve, reject });
    });
    // A test that fails before it awaits this shall not fail of an unhandled rejection instead.
    promise.catch(() => {});
    return promise;
  }

  tell(event: T): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter(({ wants, resolve, reject }) => {
      try {
        if (!wants(event)) return true;
        resolve(event);
      } catch (error) {
        reject(error);
      }
      return false;
    });
  }

  end(error: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }
}
