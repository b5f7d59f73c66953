/** What it takes to decode a call: our decoder beside npm xmlrpc's. */
import { decodeCall } from '../../dist/rpc/xml.js';
import { deserializeMethodCall, serializeMethodCall } from '../rpc/npm-xmlrpc.js';
import { type Case, type Figures, median, own, type Part } from './part.js';

/** One sample takes about so long. */
const sampleMs = 20;

const token = 'a1b2c3d4'.repeat(8);
const notification = {
  aps: { alert: { title: 'Table 12', body: 'Your table is ready' }, badge: 3, sound: 'default' },
  orderId: 7,
  note: 'x'.repeat(70),
};
const oneCall = 'decode a notify of 1';
const listCall = 'decode a notify of 100, each of them';
const xmlrpc = 'npm xmlrpc';

export function codecPart(scale: number): Part {
  const samples = Math.ceil(21 * scale);
  const many = Array.from({ length: 100 }, () => notification);
  const tokens = many.map(() => token);
  const cases = (what: string, params: unknown[], notifications: number): Case[] => {
    const body = Buffer.from(serializeMethodCall('notify', params));
    const of = (who: string, decode: () => unknown) => ({
      what,
      who,
      measure: async () => measureDecoding(decode, samples, notifications),
    });
    return [of(own, () => decodeCall(body)), of(xmlrpc, () => deserializeMethodCall(body))];
  };
  return {
    cases: [
      ...cases(oneCall, ['MyAppName', token, notification], 1),
      ...cases(listCall, ['MyAppName', tokens, many], many.length),
    ],
    goals: () => [],
  };
}

function measureDecoding(decode: () => unknown, samples: number, notifications: number): Figures {
  let calls = 1;
  while (cpuMsOf(decode, calls) < sampleMs) calls *= 2;
  const found = Array.from({ length: samples }, () => cpuMsOf(decode, calls));
  const cpuMs = (median(found) / calls / notifications) * 1000;
  return { perSecond: 1_000_000 / cpuMs, cpuMs };
}

function cpuMsOf(decode: () => unknown, calls: number): number {
  const at = process.cpuUsage();
  for (let call = 0; call < calls; call += 1) decode();
  const { user, system } = process.cpuUsage(at);
  return (user + system) / 1000;
}
