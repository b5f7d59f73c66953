/** `notify`, as pyapns has it: tokens and payloads, single or in lists, and one fault for all that went wrong. */
import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Draft } from '../apns/draft.js';
import { Flow } from '../apns/line.js';
import type { Verdict } from '../apns/verdict.js';
import { type ApnsdError, InvalidArgumentError } from '../errors.js';
import { checkToken } from '../notification/address.js';
import { checkNotification } from '../notification/check.js';
import { Fault, faultOf } from '../rpc/faults.js';
import type { Value } from '../rpc/xml.js';
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
  const shared = notifications.length === 1 ? draftOf(notifications[0]) : undefined;
  const options = { deadline: performance.now() + app.timeoutMs, signal, flow: new Flow() };
  const failures = new Failures();
  await inTurns(tokens.length, async (position) => {
    const token = tokenOf(tokens[position]);
    const draft = shared ?? draftOf(notifications[position]);
    if (token instanceof InvalidArgumentError) failures.add(position, token);
    else if (draft instanceof InvalidArgumentError) failures.add(position, draft);
    else {
      const verdict = await new Promise<Verdict>((answered, broke) =>
        app.send(token, randomUUID(), draft, options, { answered, broke }),
      );
      if (verdict.kind === 'failed') failures.add(position, verdict.error);
    }
  });
  failures.throwWorst(tokens.length);
  return null;
}

function draftOf(payload: Value | undefined): Draft | InvalidArgumentError {
  return orInvalid(() => new Draft(checkNotification({ payload: asTexts(payload) })));
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

/** Members of one call that are under way at once; of longer lists the rest takes no more memory than it came with. */
const mostUnderWay = 2000;
/** After so many members other calls are heard: a list of half a million takes seconds. */
const stretch = 100;

async function inTurns(count: number, run: (position: number) => Promise<void>): Promise<void> {
  let next = 0;
  let pause: Promise<void> | undefined;
  const work = async () => {
    while (next < count) {
      const position = next++;
      if (position % stretch === stretch - 1) pause = setImmediate();
      await pause;
      await run(position);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, mostUnderWay) }, work));
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
   * One fault for all: unreadable members before refused credentials before unanswered ones.
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
