/**
 * The fuzzer, `npm run fuzz`: spoiled and invented calls against a daemon in a process of its own. Each gets an answer
 * that a client can read, a good call works after each, and memory stays as it was.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Fault } from '../../src/rpc/faults.js';
import { decodeAnswer } from '../../src/rpc/xml.js';
import { deserializeMethodResponse } from '../rpc/npm-xmlrpc.js';
import { callXml } from '../support/calling.js';
import { type Input, inputOf } from './inputs.js';
import { type Answer, exchange, Lane } from './lane.js';

export interface FuzzOptions {
  count: number;
  seed: number;
  /** The number of the first input. @default 0 */
  from?: number;
  say?: (line: string) => void;
}

export interface Fuzzed {
  /** How many were answered how: by nil or a value, fault or HTTP status. */
  answers: Record<string, number>;
  /** Of the daemon's heap and buffers, a sample each tenth. */
  megabytes: number[];
  perSecond: number;
}

const LANES = 8;
/** Inputs that are under way together over one connection, with a good call after them. */
const GROUP = 5;
/** Answers that npm xmlrpc reads too, which takes longer than all the rest: one in so many. */
const READ_EACH = 50;
/** What the collector may leave or a buffer may hold; a leak of 20 bytes an input is more in 1,000,000. */
const SLACK_MB = 12;

export async function fuzz({
  count,
  seed,
  from = 0,
  say = () => {},
}: FuzzOptions): Promise<Fuzzed> {
  const child = fork(join(import.meta.dirname, 'daemon.ts'));
  const died = once(child, 'exit').then(([code]) => assert.fail(`the daemon died with ${code}`));
  died.catch(() => {});
  try {
    const [{ url }] = await Promise.race([once(child, 'message'), died]);
    const answers: Record<string, number> = {};
    const megabytes: number[] = [];
    const start = performance.now();
    let next = from;
    for (let tenth = 1; tenth <= 10; tenth += 1) {
      const end = from + Math.round((count * tenth) / 10);
      const take = () => Array.from({ length: Math.min(GROUP, end - next) }, () => next++);
      const lanes = Array.from({ length: LANES }, () => drive(url, seed, take, answers));
      await Promise.race([Promise.all(lanes), died]);
      child.send('memory');
      const [sample] = await Promise.race([once(child, 'message'), died]);
      megabytes.push(sample.megabytes);
      const perSecond = Math.round((end - from) / ((performance.now() - start) / 1000));
      say(`${end - from} inputs, ${perSecond} a second, ${sample.megabytes} MB`);
    }
    const perSecond = Math.round(count / ((performance.now() - start) / 1000));
    const before = Math.max(...megabytes.slice(0, 5));
    const after = megabytes.at(-1) ?? 0;
    assert.ok(after < before + SLACK_MB, `memory grew: ${megabytes.join(', ')} MB`);
    return { answers, megabytes, perSecond };
  } finally {
    const exited = child.exitCode === null && once(child, 'exit');
    child.kill();
    await exited;
  }
}

const payload = '<struct><member><name>aps</name><value><struct/></value></member></struct>';
const good = callXml('notify', 'app1', 'ab'.repeat(32), payload);
const goodBytes = Buffer.from(
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${good.length}\r\n\r\n${good}`,
);

/** Goes on until there are no more inputs. @param take the numbers of the next ones */
async function drive(
  url: string,
  seed: number,
  take: () => number[],
  answers: Record<string, number>,
): Promise<void> {
  const lane = new Lane(url);
  for (let numbers = take(); numbers.length > 0; numbers = take()) {
    const inputs = numbers.map((number) => ({ number, ...inputOf(seed, number) }));
    const bodies = inputs.filter(({ kind }) => kind === 'body').map(({ bytes }) => bytes);
    lane.send(Buffer.concat([...bodies, goodBytes]));
    for (const input of inputs) {
      const answer = await naming(seed, input, async () =>
        input.kind === 'body'
          ? readAnswer(await lane.answer(), input.number)
          : statusOf(await exchange(url, input.bytes)),
      );
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
    const [first] = inputs as [NumberedInput];
    await naming(seed, first, async () => {
      const answer = readAnswer(await lane.answer(), first.number);
      assert.equal(answer, 'nil', `a good call, after it and the ${GROUP - 1} inputs that follow`);
      return answer;
    });
  }
  lane.close();
}

type NumberedInput = Input & { number: number };

/** Tells with what is wrong how to have it again. */
async function naming(
  seed: number,
  { number, bytes }: NumberedInput,
  check: () => Promise<string>,
): Promise<string> {
  try {
    return await check();
  } catch (cause) {
    const again = `npm run fuzz -- ${GROUP} ${seed} ${number}`;
    const shown = JSON.stringify(bytes.toString('latin1').slice(0, 2000));
    throw new Error(`input ${number} (${again}): ${(cause as Error).message}\n${shown}`, { cause });
  }
}

const ANSWER =
  /^<\?xml version="1\.0"\?>\n<methodResponse>(?:<params><param>(<value>.*<\/value>)<\/param><\/params>|<fault><value><struct><member><name>faultCode<\/name><value><int>(-?\d+)<\/int><\/value><\/member><member><name>faultString<\/name><value><string>[ -;=?-~]+<\/string><\/value><\/member><\/struct><\/value><\/fault>)<\/methodResponse>\n$/su;
/** An internal error, 500 or 503 would be the daemon's own failing. */
const faults = new Set([400, 401, 404, 422, 428, -32700, -32600, -32601]);

function readAnswer({ status, body }: Answer, number: number): string {
  const [, value, faultCode] = ANSWER.exec(body) ?? [];
  assert.ok(status === 200 && (value ?? faultCode), `HTTP ${status}: ${body}`);
  if (number % READ_EACH === 0) readByNpm(body);
  const read = decodeAnswer(Buffer.from(body));
  assert.equal(read instanceof Fault ? read.faultCode : undefined, faultCode && Number(faultCode));
  if (value) return value === '<value><nil/></value>' ? 'nil' : 'a value';
  assert.ok(faults.has(Number(faultCode)), body);
  return `fault ${faultCode}`;
}

function readByNpm(body: string): void {
  try {
    deserializeMethodResponse(body);
  } catch (error) {
    if (!('faultCode' in Object(error))) throw error;
  }
}

/** Anything but HTTP 500. A request that was cut off, or refused while it came, may have no answer. */
function statusOf(text: string): string {
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
  assert.ok(text === '' || (status && status !== '500'), text);
  assert.doesNotMatch(text, /<int>-32500</);
  return status ? `HTTP ${status}` : 'hung up';
}

if (process.argv[1] === import.meta.filename) {
  const [count = 100_000, seed = randomInt(2 ** 31), from = 0] = process.argv.slice(2).map(Number);
  console.log(`seed ${seed}: npm run fuzz -- ${count} ${seed} repeats it`);
  console.log(await fuzz({ count, seed, from, say: console.log }));
}
