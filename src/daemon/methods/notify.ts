/** `notify`, as pyapns has it: tokens and payloads, single or in lists, and one fault for all that went wrong. */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Flow } from '../../apns/http2/fair-queue.js';
import { RequestTemplate } from '../../apns/request.js';
import type { Verdict } from '../../apns/verdict.js';
import { type ApnsdError, InvalidArgumentError } from '../../errors.js';
import { checkToken } from '../../notification/address.js';
import { checkNotification } from '../../notification/check.js';
import { Fault, faultOf } from '../../rpc/faults.js';
import type { Value } from '../../rpc/xml.js';
import type { MethodContext } from './method.js';
import { asText, asTexts, parameters } from './parameters.js';

export async function notify(params: Value[], { apps, signal }: MethodContext): Promise<null> {
  const [appId, target, what] = parameters(params, ['appId', 'tokens', 'notifications']);
  const app = apps.named(asText('appId', appId));
  const tokens = Array.isArray(target) ? target : [target];
  const notifications = Array.isArray(what) ? what : [what];
  if (notifications.length !== 1 && notifications.length !== tokens.length) {
    throw new InvalidArgumentError(
      `there are ${tokens.length} tokens and ${notifications.length} notifications, expected as many of both, or one notification`,
    );
  }
  const deadline = performance.now() + app.timeoutMs - marginMs(app.timeoutMs);
  const members = await readAll(tokens, notifications);
  const options = { deadline, signal, flow: new Flow() };
  const failures = new Failures();
  await inTurns(members, async ({ token, draft }, position) => {
    const verdict = await new Promise<Verdict>((answered, broke) =>
      app.send(token, randomUUID(), draft, options, { answered, broke }),
    );
    if (verdict.kind === 'failed') failures.add(position, verdict.error);
  });
  failures.throwWorst(tokens.length);
  return null;
}

/** A caller often waits for as long as it had the provision say: it is to hear the fault, not to hang up just before. */
function marginMs(timeoutMs: number): number {
  return Math.min(1000, timeoutMs / 10);
}

/** One notification and whom it is for. */
interface Member {
  token: string;
  draft: RequestTemplate;
}

/**
 * All of them, before any is sent: whoever mends a list sends it again, whole.
 * @throws InvalidArgumentError, or Fault, with the positions of what can't be read
 */
async function readAll(
  tokens: (Value | undefined)[],
  notifications: (Value | undefined)[],
): Promise<Member[]> {
  const shared = notifications.length === 1 ? draftOf(notifications[0]) : undefined;
  const members: Member[] = [];
  const failures = new Failures();
  for (const [position, written] of tokens.entries()) {
    if (position % stretch === stretch - 1) await setImmediate();
    const token = tokenOf(written);
    const draft = shared ?? draftOf(notifications[position]);
    if (token instanceof InvalidArgumentError) failures.add(position, token);
    else if (draft instanceof InvalidArgumentError) failures.add(position, draft);
    else members.push({ token, draft });
  }
  failures.throwWorst(tokens.length);
  return members;
}

function draftOf(payload: Value | undefined): RequestTemplate | InvalidArgumentError {
  return orInvalid(() => new RequestTemplate(checkNotification({ payload: asTexts(payload) })));
}

function tokenOf(token: Value | undefined): string | InvalidArgumentError {
  return orInvalid(() => checkToken(asText('token', token)));
}

function orInvalid<T>(read: () => T): T | InvalidArgumentError {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return error;
    throw error;
  }
}

/** Members of one call that are under way at once: each takes memory. */
const mostUnderWay = 2000;
/** After so many members other calls are heard: a list of half a million takes seconds. */
const stretch = 100;

async function inTurns<T>(
  items: T[],
  run: (item: T, position: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  let pause: Promise<void> | undefined;
  const work = async () => {
    // One iterator for all: each takes the next.
    for (const [position, item] of entries) {
      if (position % stretch === stretch - 1) pause = setImmediate();
      await pause;
      await run(item, position);
    }
  };
  await Promise.all(Array.from({ length: Math.min(items.length, mostUnderWay) }, work));
}

const mostPositions = 100;

interface Kind {
  /** Of the first position. */
  error: ApnsdError;
  first: number;
  positions: number[];
}

/** The members that went wrong, by what went wrong. */
class Failures {
  readonly #kinds = new Map<string, Kind>();

  add(position: number, error: ApnsdError): void {
    const kind = this.#kinds.get(error.code) ?? { error, first: position, positions: [] };
    this.#kinds.set(error.code, kind);
    kind.positions.push(position);
    if (position < kind.first) Object.assign(kind, { error, first: position });
  }

  /**
   * One fault for all: what its caller can mend before what had no answer.
   * @param count of all members
   */
  throwWorst(count: number): void {
    const order = ['INVALID_ARGUMENT', 'CREDENTIALS', ...this.#kinds.keys()];
    const worst = order.map((code) => this.#kinds.get(code)).find((kind) => kind !== undefined);
    if (!worst) return;
    if (count === 1) throw worst.error;
    const { faultCode, message } = faultOf(worst.error);
    const positions = worst.positions.sort((a, b) => a - b);
    const more = positions.length - mostPositions;
    const listed =
      positions.slice(0, mostPositions).join(', ') + (more > 0 ? ` and ${more} more` : '');
    throw new Fault(faultCode, `at position ${listed} (from 0): ${message}`);
  }
}
