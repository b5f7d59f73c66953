/** The policy that repeats what Apple did not finally answer: later and later, within the deadline, with the same apns-id. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ApnsRequest, Sender, SendOptions } from './sender.js';
import { type Verdict, verdictOn } from './verdict.js';

const firstDelayMs = 100;
/** Apple's own hiccups last seconds: knocking more rarely than this only adds latency. */
const maxDelayMs = 2000;

/** @param sender asked before each attempt: the app's credentials may have changed in between */
export async function deliver(
  sender: () => Sender,
  request: ApnsRequest,
  options: SendOptions,
): Promise<Verdict> {
  let avoid: { sender: Sender; connection: number } | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const current = sender();
    const avoided = avoid?.sender === current ? { avoid: avoid.connection } : {};
    const outcome = await current.send(request, { ...options, ...avoided });
    if (outcome.kind === 'response' && outcome.status === 500) {
      avoid = { sender: current, connection: outcome.connection };
    }
    const verdict = verdictOn(outcome);
    if (verdict.kind !== 'failed' || verdict.repeatAfterMs === undefined) return verdict;
    const pause = Math.max(verdict.repeatAfterMs, jittered(attempt));
    if (Date.now() + pause >= options.deadline || options.signal?.aborted) return verdict;
    try {
      await delay(pause, undefined, options.signal ? { signal: options.signal } : {});
    } catch {
      // Aborted while it waited: the last verdict stands.
      return verdict;
    }
  }
}

function jittered(attempt: number): number {
  const full = Math.min(firstDelayMs * 2 ** (attempt - 1), maxDelayMs);
  return full * (0.5 + Math.random() / 2);
}
