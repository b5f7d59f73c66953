/** `apnsd.send`: many notifications in one call, an answer for each, in their order. */
import { Draft } from '../apns/draft.js';
import { Flow } from '../apns/line.js';
import type { SendOptions } from '../apns/sender.js';
import { ApnsdError, OverloadedError } from '../errors.js';
import { checkId, checkToken } from '../notification/address.js';
import { toJsonText } from '../rpc/json.js';
import { PLAINLY_ACCEPTED, type SendAnswer, type WrittenAnswer } from '../rpc/methods.js';
import type { Value } from '../rpc/xml.js';
import type { Answers } from './answers.js';
import type { App } from './apps.js';
import type { MethodContext } from './method.js';
import { asText, parameters } from './parameters.js';
import { readSendRequest, type SendGroup } from './send-request.js';

/** So long a call waits for its slowest members; those that are not settled then are `pending`, and go on. */
const patienceMs = 2000;
/** Where some have settled and so long no other has, the rest holds them up no longer. */
const lullMs = 250;

export async function send(params: Value[], context: MethodContext): Promise<string> {
  const [appId, text] = parameters(params, ['appId', 'request']);
  const app = context.apps.get(asText('appId', appId));
  const { timeoutMs, brief, groups } = readSendRequest(asText('request', text));
  expectRoom(app, groups);
  const now = Date.now();
  const flow = new Flow();
  const members = groups.flatMap(({ notification, timeoutMs: ofGroup, to }) => {
    const failed = notification instanceof ApnsdError;
    const draft = failed ? notification : new Draft(notification);
    const options = {
      deadline: now + Math.min(ofGroup ?? timeoutMs, timeoutMs),
      signal: context.signal,
      expiration: failed ? undefined : notification.expiration,
      flow,
    };
    return to.map(([token, id]) => sendOne(app, context.answers, token, id, draft, options));
  });
  const answers = await answersOf(members, groups, context.draining);
  return toJsonText(brief ? answers.map(inBrief) : answers);
}

/** @throws OverloadedError before anything is sent */
function expectRoom(app: App, groups: SendGroup[]): void {
  let requests = 0;
  let bytes = 0;
  for (const { notification, to } of groups) {
    if (notification instanceof ApnsdError) continue;
    requests += to.length;
    bytes += to.length * notification.body.length;
  }
  if (app.hasRoom(requests, bytes)) return;
  throw new OverloadedError(
    `too many notifications wait for Apple already to take ${requests} more`,
  );
}

async function sendOne(
  app: App,
  answers: Answers,
  token: unknown,
  id: unknown,
  draft: Draft | ApnsdError,
  options: SendOptions,
): Promise<SendAnswer> {
  try {
    if (draft instanceof ApnsdError) throw draft;
    const identity = {
      appId: app.id,
      token: checkToken(token),
      id: checkId(id),
      payloadHash: draft.payloadHash,
    };
    const verdict = await answers.once(identity, options.deadline, () =>
      app.send(identity.token, identity.id, draft, options),
    );
    if (verdict.kind === 'failed') throw verdict.error;
    const { kind, ...rest } = verdict;
    return { status: kind, id, ...rest } as SendAnswer;
  } catch (error) {
    if (!(error instanceof ApnsdError)) throw error;
    const { code, message } = error;
    return { status: 'failed', id: textOf(id), code, message };
  }
}

function answersOf(
  members: Promise<SendAnswer>[],
  groups: SendGroup[],
  draining: AbortSignal,
): Promise<SendAnswer[]> {
  return new Promise((resolve, reject) => {
    const settled: (SendAnswer | undefined)[] = members.map(() => undefined);
    let left = members.length;
    const finish = () => {
      clearInterval(timer);
      const ids = groups.flatMap(({ to }) => to.map(([, id]) => textOf(id)));
      resolve(ids.map((id, place) => settled[place] ?? { status: 'pending', id }));
    };
    let lastLeft = left;
    let waitedMs = 0;
    const timer = setInterval(() => {
      waitedMs += lullMs;
      const lull = left === lastLeft && left < members.length;
      lastLeft = left;
      // A daemon that is leaving can't be asked again: it waits for all.
      if ((lull || waitedMs >= patienceMs) && !draining.aborted) finish();
    }, lullMs);
    if (left === 0) finish();
    for (const [place, member] of members.entries()) {
      member.then((answer) => {
        settled[place] = answer;
        left -= 1;
        if (left === 0) finish();
      }, reject);
    }
  });
}

function inBrief(answer: SendAnswer): WrittenAnswer {
  const plain = answer.status === 'accepted' && answer.uniqueId === undefined;
  return plain ? PLAINLY_ACCEPTED : answer;
}

function textOf(id: unknown): string {
  return typeof id === 'string' ? id : '';
}
