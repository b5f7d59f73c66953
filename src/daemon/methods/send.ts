/** `apnsd.send`: many notifications in one call, an answer for each, in their order. */

import { Flow } from '../../apns/http2/fair-queue.js';
import { RequestTemplate } from '../../apns/request.js';
import type { RetryState } from '../../apns/retry.js';
import type { SendOptions } from '../../apns/sender.js';
import { plainlyAccepted, unavailable, type Verdict } from '../../apns/verdict.js';
import { ApnsdError, OverloadedError } from '../../errors.js';
import { checkId, checkToken } from '../../notification/address.js';
import type { CheckedNotification } from '../../notification/check.js';
import { toJsonText } from '../../rpc/json.js';
import { PLAINLY_ACCEPTED, type SendAnswer, type WrittenAnswer } from '../../rpc/methods.js';
import type { Value } from '../../rpc/xml.js';
import type { App, Told } from '../apps/apps.js';
import type { Asker, Deduplicator } from '../dedup/deduplicator.js';
import { Digest, Fingerprint } from '../dedup/fingerprint.js';
import { AnswerCollector } from './answer-collector.js';
import type { MethodContext } from './method.js';
import { asText, parameters } from './parameters.js';
import { readSendRequest, type SendGroup } from './send-request.js';

export async function send(params: Value[], context: MethodContext): Promise<string> {
  const [appId, text] = parameters(params, ['appId', 'request']);
  const app = context.apps.get(asText('appId', appId));
  const { timeoutMs, brief, groups, receivers } = readSendRequest(asText('request', text));
  expectRoom(app, context.answers, groups);
  const now = performance.now();
  const gathering = new AnswerCollector<WrittenAnswer>(receivers);
  const call = {
    app,
    appDigest: new Digest(app.id),
    brief,
    gathering,
    signal: context.signal,
    flow: new Flow(),
  };
  let place = 0;
  for (const { notification, timeoutMs: own = timeoutMs, to } of groups) {
    const deadline = now + Math.min(own, timeoutMs);
    const letter =
      notification instanceof ApnsdError ? notification : new Letter(call, notification, deadline);
    for (const [token, id] of to) {
      try {
        if (letter instanceof ApnsdError) throw letter;
        context.answers.once(new Member(letter, place, checkToken(token), checkId(id)));
      } catch (error) {
        if (!(error instanceof ApnsdError)) throw error;
        gathering.settle(place, failure(textOf(id), error));
      }
      place += 1;
    }
  }
  const answers = await gathering.answers(context.draining);
  if (!answers.includes(undefined)) return toJsonText(answers);
  const trouble = app.rotation.serving.sender.trouble();
  return toJsonText(withPending(answers, groups, trouble && unavailable(trouble).message));
}

/** @throws OverloadedError before anything is sent */
function expectRoom(app: App, answers: Deduplicator, groups: SendGroup[]): void {
  let requests = 0;
  let bytes = 0;
  for (const { notification, to } of groups) {
    if (notification instanceof ApnsdError) continue;
    requests += to.length;
    bytes += to.length * notification.body.length;
  }
  if (app.hasRoom(requests, bytes) && answers.hasRoom(requests)) return;
  throw new OverloadedError(
    `too many notifications wait for Apple already to take ${requests} more`,
  );
}

/** What all members of a call share. */
interface SendCall {
  app: App;
  appDigest: Digest;
  brief: boolean;
  gathering: AnswerCollector<WrittenAnswer>;
  signal: AbortSignal;
  flow: Flow;
}

/** What goes to the receivers of one group. */
class Letter {
  readonly call: SendCall;
  readonly draft: RequestTemplate;
  readonly payload: Digest;
  readonly options: SendOptions;

  constructor(call: SendCall, notification: CheckedNotification, deadline: number) {
    const { signal, flow } = call;
    this.call = call;
    this.draft = new RequestTemplate(notification);
    this.payload = new Digest(notification.body);
    this.options = { deadline, signal, expiration: notification.expiration, flow };
  }
}

/** One receiver of a call. */
class Member implements Asker {
  readonly id: string;
  readonly fingerprint: Fingerprint;
  readonly #letter: Letter;
  readonly #place: number;
  readonly #token: string;

  constructor(letter: Letter, place: number, token: string, id: string) {
    this.id = id;
    this.fingerprint = new Fingerprint(letter.call.appDigest, token, id);
    this.#letter = letter;
    this.#place = place;
    this.#token = token;
  }

  get payload(): Digest {
    return this.#letter.payload;
  }

  get deadline(): number {
    return this.#letter.options.deadline;
  }

  send(told: Told, state: RetryState | undefined): void {
    const { call, draft, options } = this.#letter;
    call.app.send(this.#token, this.id, draft, options, told, state);
  }

  waits({ message }: ApnsdError): void {
    const { id } = this;
    this.#letter.call.gathering.note(this.#place, { status: 'pending', id, message });
  }

  answered(verdict: Verdict): void {
    const { gathering, brief } = this.#letter.call;
    gathering.settle(this.#place, answerOf(this.id, verdict, brief));
  }

  broke(error: unknown): void {
    this.#letter.call.gathering.fail(error);
  }
}

function answerOf(id: string, verdict: Verdict, brief: boolean): WrittenAnswer {
  if (verdict.kind === 'failed') return failure(id, verdict.error);
  if (brief && verdict === plainlyAccepted) return PLAINLY_ACCEPTED;
  const { kind, ...rest } = verdict;
  return { status: kind, id, ...rest } as SendAnswer;
}

function failure(id: string, { code, message }: ApnsdError): SendAnswer {
  return { status: 'failed', id, code, message };
}

/** @param message why they wait, where that is known */
function withPending(
  answers: (WrittenAnswer | undefined)[],
  groups: SendGroup[],
  message: string | undefined,
): WrittenAnswer[] {
  const ids = groups.flatMap(({ to }) => to.map(([, id]) => textOf(id)));
  const why = message === undefined ? {} : { message };
  return ids.map((id, place) => answers[place] ?? { status: 'pending', id, ...why });
}

function textOf(id: unknown): string {
  return typeof id === 'string' ? id : '';
}
