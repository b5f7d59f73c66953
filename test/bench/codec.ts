/** Our decoding of calls beside npm xmlrpc's, in turns: `node --import tsx test/bench/codec.ts`. */
import { decodeCall } from '../../src/rpc/xml.js';
import { deserializeMethodCall, serializeMethodCall } from '../rpc/npm-xmlrpc.js';

const ROUNDS = 41;
/** One sample takes about so long. */
const SAMPLE_MS = 20;

const token = 'a1b2c3d4'.repeat(8);
const notification = {
  aps: { alert: { title: 'Table 12', body: 'Your table is ready' }, badge: 3, sound: 'default' },
  orderId: 7,
  note: 'x'.repeat(70),
};
const many = Array.from({ length: 100 }, () => notification);

report('one notify', ['MyAppName', token, notification]);
report('a notify of 100', ['MyAppName', many.map(() => token), many]);

function report(name: string, params: unknown[]): void {
  const body = Buffer.from(serializeMethodCall('notify', params));
  const sides = [() => decodeCall(body), () => deserializeMethodCall(body)];
  const plans = sides.map((decode) => ({
    decode,
    count: calibrate(decode),
    samples: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { decode, count, samples } of plans) samples.push(sample(decode, count));
  }
  const [ours = 0, theirs = 0] = plans.map(({ samples }) => median(samples));
  const figures = `ours ${ours.toFixed(2)} µs, npm xmlrpc ${theirs.toFixed(1)} µs, ${(theirs / ours).toFixed(0)} times`;
  console.log(`${name} (${body.length} bytes): ${figures}`);
}

function calibrate(decode: () => unknown): number {
  let count = 1;
  while (sample(decode, count) * count < SAMPLE_MS * 1000) count *= 2;
  return count;
}

/** Microseconds for one call. */
function sample(decode: () => unknown, count: number): number {
  const start = process.hrtime.bigint();
  for (let call = 0; call < count; call++) decode();
  return Number(process.hrtime.bigint() - start) / 1000 / count;
}

function median(samples: number[]): number {
  return samples.sort((a, b) => a - b)[samples.length >> 1] ?? 0;
}
