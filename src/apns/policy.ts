/** The policy that repeats what Apple did not finally answer: later and later, within the deadline, with the same apns-id. */
import { setTimeout as delay } from 'node:timers/promises';
import { expired } from '../notification/expiration.js';
import type { ProviderToken } from './provider-token.js';
import type { ApnsRequest, Sender, SendOptions } from './sender.js';
import { type Verdict, verdictOn } from './verdict.js';

const firstDelayMs = 100;
/** Apple's own hiccups last seconds: knocking more rarely than this only adds latency. */
const maxDelayMs = 2000;

/** What a request goes through, and as whom. */
export interface Route {
  sender: Sender;
  /** That of the sender's `authorization`, with token credentials. */
  token: ProviderToken | undefined;
}

/**
 * @param current asked before each attempt: the app's credentials may have changed in between
 * @param request what goes over a route: its topic is that of the credentials
 */
export async function deliver<R extends Route>(
  current: () => R,
  request: (route: R) => ApnsRequest,
  options: SendOptions,
): Promise<Verdict> {
  let avoid: { sender: Sender; connection: number } | undefined;
  let signedAgain = false;
  for (let attempt = 1; ; attempt += 1) {
    const tooLate = expired(options.expiration);
    if (tooLate) return { kind: 'failed', error: tooLate };
    const route = current();
    const { sender, token } = route;
    // One that is renewed while the request waits for a stream is not this one: then nothing is signed for it.
    const bearer = token?.current();
    const avoiding = avoid?.sender === sender && { ...options, avoid: avoid.connection };
    const verdict = verdictOn(await sender.send(request(route), avoiding || options));
    if (verdict.kind !== 'failed' || !verdict.repeat) return verdict;
    const { afterMs, avoid: connection, signAgain } = verdict.repeat;
    if (connection !== undefined) avoid = { sender, connection };
    if (signAgain) {
      if (signedAgain || !token || !bearer) return verdict;
      const error = token.signAgain(bearer);
      if (error) return { kind: 'failed', error };
      signedAgain = true;
    }
    const pause = Math.max(afterMs, signAgain ? 0 : jittered(attempt));
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
