/** The app's process: sends with one sender and says what it took. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Payload } from '../../src/notification/notification.js';
import { serve } from '../support/child.js';
import type { BenchSender, Target } from './bench-sender.js';
import type { Figures } from './part.js';
import { type SenderName, senders } from './senders.js';

/** Before what is measured: code that is used often is compiled by then, and connections are open. */
const warmUp = 30_000;

/** Tokens and ids come with the calls: making them is not the sender's work. */
const addressees = Array.from({ length: 10_000 }, () => ({
  token: randomBytes(32).toString('hex'),
  id: randomUUID(),
}));

let sender: BenchSender;

const functions = {
  async start(name: SenderName, target: Target): Promise<void> {
    sender = await senders[name](target);
  },

  /** Single calls, so many at once. */
  warmUpSingle: (count: number, atOnce: number) => sendSingle(Math.min(warmUp, count), atOnce),

  async single(count: number, atOnce: number): Promise<Figures> {
    let latencies: Float64Array = new Float64Array();
    const figures = await measure(count, async () => {
      latencies = await sendSingle(count, atOnce);
    });
    latencies.sort();
    const percentile = (part: number) => latencies[Math.floor(count * part)] ?? Number.NaN;
    return { ...figures, p50Ms: percentile(0.5), p99Ms: percentile(0.99) };
  },

  /** One notification to many. */
  warmUpMany: (count: number) => sendMany(Math.min(warmUp, count)),

  many: (count: number) => measure(count, () => sendMany(count)),

  /** Sends to many until the process ends; resolves when that is well under way. */
  keepBusy: () =>
    new Promise<void>((resolve, reject) => {
      const endless = function* () {
        for (let next = 0; ; next += 1) {
          if (next === warmUp) resolve();
          yield tokenOf(next);
        }
      };
      startedMany(endless()).catch(reject);
    }),
};

export type LoadFunctions = typeof functions;

serve(functions);

async function measure(count: number, work: () => Promise<unknown>): Promise<Figures> {
  const wallAt = performance.now();
  const cpuAt = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpuAt);
  const seconds = (performance.now() - wallAt) / 1000;
  return {
    perSecond: count / seconds,
    cpuMs: (user + system) / count,
    rssMiB: process.resourceUsage().maxRSS / 1024,
  };
}

/** Resolves with what each took, in milliseconds. */
async function sendSingle(count: number, atOnce: number): Promise<Float64Array> {
  const latencies = new Float64Array(count);
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const number = next++;
      const { token, id } = addressees[number % addressees.length] as (typeof addressees)[0];
      const sentAt = performance.now();
      const status = await sender.send(token, id, payloadOf(`Message number ${number}`));
      latencies[number] = performance.now() - sentAt;
      if (status !== 200) throw new Error(`status ${status}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return latencies;
}

async function sendMany(count: number): Promise<void> {
  const accepted = await startedMany(Array.from({ length: count }, (_, index) => tokenOf(index)));
  if (accepted !== count) throw new Error(`${accepted} of ${count} were accepted`);
}

function startedMany(tokens: Iterable<string>): Promise<number> {
  if (!sender.sendMany) throw new Error('the sender has no way to send to many');
  return sender.sendMany(tokens, payloadOf('The same for all'));
}

function tokenOf(index: number): string {
  return (addressees[index % addressees.length] as (typeof addressees)[0]).token;
}

function payloadOf(body: string): Payload {
  return { aps: { alert: { title: 'Bench', body }, badge: 1, sound: 'default' } };
}
