/** The harness's app: sends numbered notifications at a steady pace, and notes what it is told of each. */
import { setTimeout as delay, setInterval } from 'node:timers/promises';
import { createClient } from 'apnsd';
import { serve } from '../support/child.js';
import { type Outcome, payloadOf, tokenOf } from './ledger.js';
import { OldWrapper } from './old-wrapper.js';

export type Policy = 'healing' | 'old wrapper';

export interface Task {
  policy: Policy;
  port: number;
  appId: string;
  cert: string;
  /** Of one attempt, in milliseconds. */
  timeoutMs: number;
  /** Notifications a second. */
  rate: number;
  seconds: number;
}

type Told = Pick<Outcome, 'status' | 'id' | 'reason'>;

interface Sender {
  notify: (number: number) => Promise<Told>;
  certify: (cert: string) => void;
}

/** Long enough that healing can always win. */
const deadlineMs = 60_000;
/** After that a promise that hangs is taken for one that never settles. */
const graceMs = 5000;
/** Where the daemon can't keep up, the pace falls behind instead of the deadline. */
const mostOpen = 20_000;
const tickMs = 10;

let sender: Sender;
let load: Promise<number>;
const outcomes: Outcome[] = [];

const functions = {
  /** Resolves when the pace begins: the first notification has gone all the way by then. */
  async start(task: Task): Promise<void> {
    sender = task.policy === 'healing' ? healing(task) : oldWrapper(task);
    await note(0);
    load = send(1, task);
  },

  certify: (cert: string) => sender.certify(cert),

  /** Resolves when all promises have settled, or never will. */
  finished: async () => ({ sent: await load, outcomes }),
};

export type LoadFunctions = typeof functions;

serve(functions);

async function send(first: number, { rate, seconds }: Task): Promise<number> {
  const startedAt = performance.now();
  const open = new Set<Promise<void>>();
  let sent = first;
  for await (const _ of setInterval(tickMs)) {
    const elapsed = (performance.now() - startedAt) / 1000;
    if (elapsed >= seconds) break;
    for (const due = elapsed * rate; sent < due && open.size < mostOpen; sent += 1) {
      const noted = note(sent).finally(() => open.delete(noted));
      open.add(noted);
    }
  }
  const late = new AbortController();
  await Promise.race([
    Promise.all(open),
    delay(deadlineMs + graceMs, undefined, { signal: late.signal }),
  ]);
  late.abort();
  return sent;
}

async function note(number: number): Promise<void> {
  const startedAt = performance.now();
  const told = await sender
    .notify(number)
    .catch((error): Told => ({ status: 'failed', reason: reasonOf(error) }));
  outcomes.push({ number, ...told, ms: Math.round(performance.now() - startedAt) });
}

function healing({ port, appId, cert, timeoutMs }: Task): Sender {
  const optionsWith = (cert: string) => ({
    host: `http://127.0.0.1:${port}/`,
    initial: [{ appId, cert, environment: 'sandbox' as const }],
    timeoutMs,
    deadlineMs,
  });
  const client = createClient(optionsWith(cert));
  return {
    notify: (number) => client.notify(tokenOf(number), { payload: payloadOf(number) }),
    certify: (cert) => client.configure(optionsWith(cert)),
  };
}

function oldWrapper({ port, appId, cert, timeoutMs }: Task): Sender {
  const wrapper = new OldWrapper({ port, appId, cert, timeoutSeconds: timeoutMs / 1000 });
  return {
    async notify(number) {
      await wrapper.notify(tokenOf(number), payloadOf(number));
      return { status: 'accepted' };
    },
    certify(cert) {
      // Where it can't be had now, the next UnknownAppID brings it.
      wrapper.provision(cert).catch(() => {});
    },
  };
}

/** Alike for alike failures, so that they can be counted. */
function reasonOf(error: Error & { code?: string | number; faultCode?: number }): string {
  if (error.faultCode !== undefined) return `fault ${error.faultCode}`;
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.code ?? error.message}${cause}`;
}
