/** The whole way, client, daemon and sink each in a process, beside peers in the app's process; and calls in pyapns's way. */
import { join } from 'node:path';
import { Child } from '../support/child.js';
import type { CallsFunctions } from './calls.js';
import { type Load, measureClient, measureSender } from './measure.js';
import { type Case, type Figures, type Goal, own, type Part } from './part.js';
import type { SenderName } from './senders.js';
import { appName, type Sink, startDaemon } from './stage.js';

export const oneByOne = 'notify, one after the other';
export const fifty = 'notify, 50 at a time';
export const fiveHundred = 'notify, 500 at a time';
export const many = 'notifyMany of 100,000';
const xmlRpc = 'XML-RPC notify, 50 at a time';
const peers = ['node-apn', 'apns2'] satisfies SenderName[];

/** What it is called in the table, how it is sent, and how many peers send: their pace differs little with it. */
const loads: [string, Load, number][] = [
  [oneByOne, { count: 3000, atOnce: 1 }, 3000],
  [fifty, { count: 100_000, atOnce: 50 }, 20_000],
  [fiveHundred, { count: 100_000, atOnce: 500 }, 20_000],
  [many, { count: 100_000 }, 20_000],
];

export function pathPart(sink: Sink, scale: number): Part {
  const scaled = (count: number) => Math.ceil(count * scale);
  const cases = loads.flatMap(([what, load, few]): Case[] => [
    {
      what,
      who: own,
      measure: () => measureClient(sink, { ...load, count: scaled(load.count) }),
    },
    ...peers.map((who) => ({
      what,
      who,
      measure: () => measureSender(sink, who, { ...load, count: scaled(few) }),
    })),
  ]);
  const calls = { what: xmlRpc, who: own, measure: () => measureCalls(sink, scaled(60_000), 50) };
  return {
    cases: [...cases, calls],
    goals: (found) => [
      ...[fifty, fiveHundred, many].flatMap((what): Goal[] => {
        const [ours, theirs] = [found(what), found(what, 'node-apn')];
        return [
          {
            what: `${what}: notifications/s`,
            found: ours.perSecond / theirs.perSecond,
            unit: "times node-apn's",
            atLeast: 4,
          },
          {
            what: `${what}: CPU of client and daemon`,
            found: ours.cpuMs / theirs.cpuMs,
            unit: "of node-apn's",
            atMost: 1 / 3,
          },
        ];
      }),
      { what: `${oneByOne}: median`, found: found(oneByOne).p50Ms, unit: 'ms', atMost: 1.5 },
      { what: xmlRpc, found: found(xmlRpc).perSecond, unit: 'calls/s', atLeast: 10_000 },
      {
        what: 'the daemon at full speed: memory',
        found: Math.max(...[fiveHundred, many, xmlRpc].map((what) => found(what).daemonRssMiB)),
        unit: 'MiB',
        atMost: 150,
      },
    ],
  };
}

async function measureCalls(sink: Sink, count: number, atOnce: number): Promise<Figures> {
  await using daemon = await startDaemon(sink, 1);
  await using callers = new Child<CallsFunctions>(join(import.meta.dirname, 'calls.ts'));
  await callers.call('open', daemon.host, appName(0), atOnce);
  await callers.call('call', Math.min(10_000, count));
  const before = await daemon.process.used();
  const perSecond = await callers.call('call', count);
  const after = await daemon.process.used();
  const cpuMs = ((after.cpuMs - before.cpuMs) / count) * 1000;
  return { perSecond, cpuMs, daemonCpuMs: cpuMs, daemonRssMiB: after.peakRssMiB };
}
