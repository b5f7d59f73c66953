/** The policy that repeats what Apple did not finally answer: later and later, within the deadline, with the same apns-id. */
import { endWith, endWithout } from '../abort.js';
import type { ApnsdError } from '../errors.js';
import { expired } from '../notification/expiration.js';
import type { ProviderToken } from './credentials/provider-token.js';
import type { ApnsRequest, Outcome, Sender, SendOptions } from './sender.js';
import { type FailedVerdict, type Repeat, type Verdict, verdictOn } from './verdict.js';

const firstDelayMs = 100;
/** Apple's own hiccups last seconds: knocking more rarely than this only adds latency. */
const maxDelayMs = 2000;
/** Whatever Apple says of its service, a few requests look again after so long. */
const maxServicePauseMs = 10 * 60_000;

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
  /** What goes over a route, asked for each attempt: its topic is that of the credentials. */
  requestOver(route: R): ApnsRequest;
  /** Told that an attempt failed which may be repeated. The state is kept up to date until the end. */
  retries(state: RetryState): void;
  /** Told of each attempt that failed. True: {@link route} has another one now, which can take it at once. */
  failed(verdict: FailedVerdict, route: R): boolean;
  /** Told the last word, and the route that it came by; none where it is that of a delivery before this one. */
  settled(verdict: Verdict, route: R | undefined): void;
  /** Told an error of our own in place of the last word. */
  broke(error: unknown): void;
}

/** What is known of a notification that Apple has not finally answered. Whoever delivers it later hands it over again. */
export interface RetryState {
  /** Attempts that failed, as the back-off counts them. */
  failures: number;
  /** It may not be sent again before that, in milliseconds of performance.now. */
  notBefore: number;
  /** Why the last attempt failed. */
  error: ApnsdError;
  /** The connection not to use again. */
  avoid?: { sender: Sender; connection: number };
  signedAgain?: boolean;
}

/**
 * Makes attempts until one settles it, or none has time any more. The courier is told the end.
 * @param state from a delivery that failed
 */
export function deliver<R extends Route>(
  courier: Courier<R>,
  options: SendOptions,
  state?: RetryState,
): void {
  if (state) attemptWhenDue(courier, options, state, undefined);
  else attempt(courier, options);
}

function attempt<R extends Route>(
  courier: Courier<R>,
  options: SendOptions,
  state?: RetryState,
): void {
  const route = courier.route();
  const tooLate = expired(options.expiration);
  if (tooLate) {
    courier.settled({ kind: 'failed', error: tooLate }, route);
    return;
  }
  // One that is renewed while the request waits for a stream is not this one: then nothing is signed for it.
  const bearer = route.token?.current();
  const avoid = state?.avoid?.sender === route.sender ? state.avoid.connection : undefined;
  const request = courier.requestOver(route);
  route.sender
    .send(request, avoid === undefined ? options : { ...options, avoid })
    .then((outcome) => {
      try {
        const verdict = verdictOn(outcome);
        if (goesElsewhere(courier, options, verdict, route)) attempt(courier, options, state);
        else if (verdict.kind !== 'failed' || !verdict.repeat) courier.settled(verdict, route);
        else {
          const { error, repeat } = verdict;
          again(courier, options, state, { route, bearer, outcome, error, repeat });
        }
      } catch (error) {
        courier.broke(error);
      }
    });
}

/** Whether the notification goes out once more by another route, at once. */
function goesElsewhere<R extends Route>(
  courier: Courier<R>,
  { deadline, signal }: SendOptions,
  verdict: Verdict,
  route: R,
): boolean {
  if (verdict.kind !== 'failed' || !courier.failed(verdict, route)) return false;
  return performance.now() < deadline && !signal?.aborted;
}

/** An attempt that may be repeated. */
interface Failed<R extends Route> {
  route: R;
  bearer: string | undefined;
  outcome: Outcome;
  error: ApnsdError;
  repeat: Repeat;
}

function again<R extends Route>(
  courier: Courier<R>,
  options: SendOptions,
  before: RetryState | undefined,
  { route, bearer, outcome, error, repeat }: Failed<R>,
): void {
  const now = performance.now();
  const state = before ?? { failures: 0, notBefore: now, error };
  const { afterMs, avoid, signAgain, ofService } = repeat;
  state.error = error;
  // What waited in vain for its turn, or was not let wait for it, has troubled nobody.
  const inVain =
    outcome.kind === 'unsent' && (now >= options.deadline || outcome.retryAt !== undefined);
  if (!inVain) state.failures += 1;
  const delayMs = inVain || signAgain ? 0 : jittered(state.failures);
  state.notBefore = now + Math.max(afterMs, delayMs);
  if (avoid !== undefined) state.avoid = { sender: route.sender, connection: avoid };
  if (ofService) {
    const until = now + Math.min(afterMs, maxServicePauseMs);
    route.sender.pause(until, error.cause instanceof Error ? error.cause : error);
  }
  courier.retries(state);
  if (signAgain) {
    const refusal = signAnew(state, route, bearer);
    if (refusal) {
      giveUp(courier, state, route, refusal);
      return;
    }
  }
  attemptWhenDue(courier, options, state, route);
}

/** @returns why the last attempt's answer stands */
function signAnew(
  state: RetryState,
  { token }: Route,
  bearer: string | undefined,
): ApnsdError | undefined {
  if (state.signedAgain || !token || !bearer) return state.error;
  state.signedAgain = true;
  return token.signAgain(bearer);
}

/** @param route that of the last attempt, if there was one */
function attemptWhenDue<R extends Route>(
  courier: Courier<R>,
  options: SendOptions,
  state: RetryState,
  route: R | undefined,
): void {
  const { deadline, signal } = options;
  const now = performance.now();
  if (Math.max(state.notBefore, now) >= deadline || signal?.aborted) giveUp(courier, state, route);
  else if (state.notBefore <= now) attempt(courier, options, state);
  else {
    const due = (aborted: boolean) => {
      try {
        if (aborted) giveUp(courier, state, route);
        // A timer may be a little early.
        else attemptWhenDue(courier, options, state, route);
      } catch (error) {
        courier.broke(error);
      }
    };
    rest(state.notBefore - now, signal, due);
  }
}

function giveUp<R extends Route>(
  courier: Courier<R>,
  state: RetryState,
  route: R | undefined,
  error = state.error,
): void {
  // What the caller has to mend may be mended at any time.
  if (!error.retriable) state.notBefore = 0;
  courier.settled({ kind: 'failed', error }, route);
}

/** Waits, no longer than until the signal is aborted. */
function rest(ms: number, signal: AbortSignal | undefined, over: (aborted: boolean) => void): void {
  const timer = setTimeout(() => {
    if (signal) endWithout(signal, resting);
    over(false);
  }, Math.ceil(ms));
  const resting = {
    abort: (ending: AbortSignal) => {
      endWithout(ending, resting);
      clearTimeout(timer);
      over(true);
    },
  };
  if (signal) endWith(signal, resting);
}

function jittered(failures: number): number {
  const full = Math.min(firstDelayMs * 2 ** (failures - 1), maxDelayMs);
  return full * (0.5 + Math.random() / 2);
}
