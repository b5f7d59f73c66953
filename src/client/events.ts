/** What a client tells of itself. */
import type { EventEmitter } from 'node:events';
import type { ApnsdError } from '../errors.js';
import type { RejectedReceipt } from './send.js';

/** The events of a client, by name, with what a listener is given. */
export interface ClientEvents {
  /** The daemon is away, or has forgotten an app: a repair begins. */
  healing: [{ cause: ApnsdError; appId?: string }];
  /** The repair is done. `durationMs` since it began; `attempts` are knocks or provisionings. */
  healed: [{ cause: ApnsdError; appId?: string; durationMs: number; attempts: number }];
  /** A call's attempt failed and will be repeated; `attempts` so far. */
  retry: [{ appId: string; error: ApnsdError; attempts: number }];
  /** Apple said no: one listener can look after dead tokens. */
  rejected: [RejectedReceipt];
  /** `maxPending` calls are pending, and more are refused; told once until there is room again. */
  overloaded: [{ pending: number }];
}

export class Events {
  readonly #emitter: EventEmitter<ClientEvents>;

  constructor(emitter: EventEmitter<ClientEvents>) {
    this.#emitter = emitter;
  }

  /** Later, on a stack of its own: a listener that throws must not fail the call that it is told of. */
  emit<K extends keyof ClientEvents>(name: K, event: ClientEvents[K][0]): void {
    if (this.#emitter.listenerCount(name) === 0) return;
    process.nextTick(() => {
      // The types can't follow a name that is a parameter.
      (this.#emitter as EventEmitter).emit(name, event);
    });
  }
}
