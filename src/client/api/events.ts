/** What a client tells of itself. */
import type { EventEmitter } from 'node:events';
import type { ApnsdError } from '../../errors.js';
import type { RejectedReceipt } from './receipt.js';

/** The events of a client, by name, with what a listener is given. */
export interface ClientEvents {
  /** The daemon can't be reached or, with an `appId`, has lost that app: a repair begins. */
  healing: [{ cause: ApnsdError; appId?: string }];
  /** That repair is done. `durationMs` since it began; `attempts` are the knocks, or provisionings, that it took. */
  healed: [{ cause: ApnsdError; appId?: string; durationMs: number; attempts: number }];
  /** A call's attempt failed and will be repeated; `attempts` so far. */
  retry: [{ appId: string; error: ApnsdError; attempts: number }];
  /** Apple said no to a notification: one listener can look after dead tokens. */
  rejected: [RejectedReceipt];
  /** `maxPending` calls are pending and more are refused; told once until there is room again. */
  overloaded: [{ pending: number }];
}

/** One listener for each event that somebody wants to hear of. */
export type Listeners = {
  [Name in keyof ClientEvents]?: (event: ClientEvents[Name][0]) => void;
};

export const eventNames = [
  'healing',
  'healed',
  'retry',
  'rejected',
  'overloaded',
] as const satisfies (keyof ClientEvents)[];

export type Emit = <Name extends keyof ClientEvents>(
  name: Name,
  event: ClientEvents[Name][0],
) => void;

/** Emits on a stack of its own: a listener that throws is an uncaught exception, and no call's failure. */
export function emitterOf(client: EventEmitter<ClientEvents>, configured: () => Listeners): Emit {
  return (name, event) => {
    const listener = configured()[name];
    if (listener) process.nextTick(listener, event);
    if (client.listenerCount(name) === 0) return;
    // The types can't follow a name that is a parameter.
    process.nextTick(() => (client as EventEmitter).emit(name, event));
  };
}
