/** The policy that repeats what Apple did not finally answer: later and later, within the deadline, with the same apns-id. */
import { setTimeout as delay } from 'node:timers/promises';
import { expired } from '../notification/expiration.js';
import type { ProviderToken } from './provider-token.js';
import type { ApnsRequest, Sender, SendOptions } from './sender.js';
import { type Repeat, type Verdict, verdictOn } from './verdict.js';

const firstDelayMs = 100;
/** Apple's own hiccups last seconds: knocking more rarely than this only adds latency. */
const maxDelayMs = 2000;

/** What a request goes through, and as whom. */
export interface Route {
  sender: Sender;
  /** That of the sender's `authorization`, with token credentials. */
  token: ProviderToken | undefined;
}

/** A notification to one receiver, as its app hands it over. */
export interface Courier<R extends Route> {
  /** Asked before each attempt: the app's credentials may have changed in between. */
  route(): R;
  /** What goes over a route: its topic is that of the credentials. */
  requestOver(route: R): ApnsRequest;
  /** Told the last word, and the route that it came by. */
  settled(verdict: Verdict, route: R): void;
  /** Told an error of our own in place of the last word. */
  broke(error: unknown): void;
}

/** One attempt, which is nearly always enough; what it does not need stands in {@link repeat}. The courier is told the end. */
export function deliver<R extends Route>(courier: Courier<R>, options: SendOptions): void {
  const route = courier.route();
  const tooLate = expired(options.expiration);
  if (tooLate) {
    courier.settled({ kind: 'failed', error: tooLate }, route);
    return;
  }
  // One that is renewed while the request waits for a stream is not this one: then nothing is signed for it.
  const bearer = route.token?.current();
  const request = courier.requestOver(route);
  route.sender.send(request, options).then((outcome) => {
    try {
      const verdict = verdictOn(outcome);
      if (verdict.kind !== 'failed' || !verdict.repeat) courier.settled(verdict, route);
      else {
        const failed = { route, bearer, verdict, repeat: verdict.repeat };
        repeat(courier, options, failed).catch((error) => courier.broke(error));
      }
    } catch (error) {
      courier.broke(error);
    }
  });
}

/** An attempt that may be repeated. */
interface Failed<R extends Route> {
  route: R;
  bearer: string | undefined;
  verdict: Verdict;
  repeat: Repeat;
}

async function repeat<R extends Route>(
  courier: Courier<R>,
  options: SendOptions,
  last: Failed<R>,
): Promise<void> {
  let { route, bearer, verdict, repeat } = last;
  let avoid: { sender: Sender; connection: number } | undefined;
  let signedAgain = false;
  for (let attempt = 1; ; attempt += 1) {
    const { sender, token } = route;
    const { afterMs, avoid: connection, signAgain } = repeat;
    if (connection !== undefined) avoid = { sender, connection };
    if (signAgain) {
      if (signedAgain || !token || !bearer) break;
      const error = token.signAgain(bearer);
      if (error) return courier.settled({ kind: 'failed', error }, route);
      signedAgain = true;
    }
    const pause = Math.max(afterMs, signAgain ? 0 : jittered(attempt));
    if (performance.now() + pause >= options.deadline || options.signal?.aborted) break;
    try {
      await delay(pause, undefined, options.signal ? { signal: options.signal } : {});
    } catch {
      // Aborted while it waited: the last verdict stands.
      break;
    }
    const tooLate = expired(options.expiration);
    if (tooLate) return courier.settled({ kind: 'failed', error: tooLate }, route);
    route = courier.route();
    bearer = route.token?.current();
    const avoiding = avoid?.sender === route.sender && { ...options, avoid: avoid.connection };
    const outcome = await route.sender.send(courier.requestOver(route), avoiding || options);
    verdict = verdictOn(outcome);
    if (verdict.kind !== 'failed' || !verdict.repeat) break;
    repeat = verdict.repeat;
  }
  courier.settled(verdict, route);
}

function jittered(attempt: number): number {
  const full = Math.min(firstDelayMs * 2 ** (attempt - 1), maxDelayMs);
  return full * (0.5 + Math.random() / 2);
}
