/** Answers that wait to be taken are bounded together. On unix sockets, whose buffers are small: what is not read waits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDaemon, type DaemonOptions } from '../../../src/daemon/index.js';
import { Fault } from '../../../src/rpc/faults.js';
import { decodeAnswer, type Value } from '../../../src/rpc/xml.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { callXml, post, socketTo } from '../../support/calling.js';
import { folder } from '../../support/folder.js';

const maxAnswerBytes = 1 << 20;
const listMethods = callXml('system.listMethods');

let sockets = 0;

function options(more: DaemonOptions = {}): DaemonOptions {
  sockets += 1;
  return { listen: `unix:${join(folder, `${sockets}.sock`)}`, maxAnswerBytes, ...more };
}

const member = (name: string, value: string) =>
  `<member><name>${name}</name><value>${value}</value></member>`;
const array = (...values: string[]) =>
  `<array><data>${values.map((value) => `<value>${value}</value>`).join('')}</data></array>`;
const struct = (...members: string[]) => `<struct>${members.join('')}</struct>`;

function multicall(...calls: [name: string, ...params: string[]][]): string {
  const all = calls.map(([name, ...params]) =>
    struct(member('methodName', name), member('params', array(...params))),
  );
  return callXml('system.multicall', array(...all));
}

/** Of some 600 bytes each. */
const lists = (count: number) =>
  multicall(...Array.from({ length: count }, (): [string] => ['system.listMethods']));

async function answerTo(url: string, body: string): Promise<Value | Fault> {
  return decodeAnswer(Buffer.from((await post(url, body)).text));
}

/** Of a multicall's results: 0 for one that is no fault. */
function codesOf(answer: Value | Fault): number[] {
  if (answer instanceof Fault) return [answer.faultCode];
  assert.ok(Array.isArray(answer));
  return answer.map((result) => (Array.isArray(result) ? 0 : Object(result).faultCode));
}

/** Makes a call and takes no more of the answer than its start. */
async function unread(url: string, body: string): Promise<Socket> {
  const socket = socketTo(url);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n';
  socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  await once(socket, 'readable');
  return socket;
}

async function readAll(socket: Socket): Promise<Value | Fault> {
  const [, body = ''] = (await text(socket)).split('\r\n\r\n');
  return decodeAnswer(Buffer.from(body));
}

/** Lets so many answers wait that one of 240 kB finds no room. */
async function fillRoom(url: string): Promise<Socket[]> {
  const holders: Socket[] = [];
  while (await hasRoom(url)) {
    holders.push(await unread(url, lists(1000)));
    assert.ok(holders.length < 10, 'there is room without end');
  }
  return holders;
}

async function hasRoom(url: string): Promise<boolean> {
  return codesOf(await answerTo(url, lists(400))).every((code) => code === 0);
}

/** The answers of all who hold any, and then there is room again. */
async function emptyRoom(url: string, holders: Socket[]): Promise<(Value | Fault)[]> {
  const answers: (Value | Fault)[] = [];
  for (const holder of holders) answers.push(await readAll(holder));
  while (!(await hasRoom(url)));
  return answers;
}

test('an answer that finds no room is fault 503, a small one always has it, and what is read makes room', async () => {
  await using daemon = await createDaemon(options());
  const { url } = daemon;
  for (let round = 0; round < 3; round += 1) {
    const holders = await fillRoom(url);
    for (let each = 0; each < 5; each += 1) holders.push(await unread(url, lists(1000)));
    assert.ok(Array.isArray(await answerTo(url, listMethods)));
    const refused = await answerTo(url, lists(1000));
    assert.ok(refused instanceof Fault);
    assert.equal(refused.faultCode, 503);
    assert.equal(
      refused.message,
      'the answers that wait to be taken are over 1048576 bytes, which is the limit',
    );
    const answers = await emptyRoom(url, holders);
    assert.ok(codesOf(answers[0] ?? null).every((code) => code === 0));
    for (const answer of answers) assert.ok(codesOf(answer).every((code) => code % 503 === 0));
  }
});

test('from the first result of a multicall that finds no room on, each is fault 503 and nothing is done', async () => {
  await using daemon = await startTestDaemon({ daemon: options() });
  const { host: url, simulator } = daemon;
  type Made = [name: string, ...params: string[]];
  const provisions = ['app', 'b', 'c'].map(
    (app): Made => ['provision', app, simulator.certificate, 'sandbox'],
  );
  const notify: Made = ['notify', 'app', 'aa', struct(member('aps', struct()))];
  // Some 3 kB each.
  const statuses = Array.from({ length: 900 }, (): Made => ['apnsd.status']);
  const calls = [...provisions, notify, ...statuses, notify];
  for (let round = 1; round <= 3; round += 1) {
    const codes = codesOf(await answerTo(url, multicall(...calls)));
    assert.equal(codes.length, calls.length);
    const full = codes.indexOf(503);
    assert.ok(full > 100);
    assert.deepEqual(new Set(codes.slice(0, full)), new Set([0]));
    assert.deepEqual(new Set(codes.slice(full)), new Set([503]));
    assert.equal(simulator.accepted.length, round);
  }
});

test('feedback that finds no room for its answer is handed out later', async () => {
  await using daemon = await startTestDaemon({ daemon: options() });
  const { host: url, simulator } = daemon;
  assert.deepEqual(
    await answerTo(url, callXml('provision', 'app', simulator.certificate, 'sandbox')),
    null,
  );
  const tokens = Array.from({ length: 2000 }, (_, each) => each.toString(16).padStart(64, '0'));
  for (const token of tokens) simulator.unregister(token);
  await answerTo(url, callXml('notify', 'app', array(...tokens), struct(member('aps', struct()))));
  const holders = await fillRoom(url);
  assert.deepEqual(codesOf(await answerTo(url, callXml('feedback', 'app'))), [503]);
  assert.deepEqual(codesOf(await answerTo(url, multicall(['feedback', 'app']))), [503]);
  await emptyRoom(url, holders);
  const [[dead]] = (await answerTo(url, multicall(['feedback', 'app']))) as [[[Date, string][]]];
  assert.deepEqual(dead.map(([, token]) => token).sort(), tokens);
});

test('answers that nobody takes do not hold up the end beyond its time', async () => {
  await using daemon = await createDaemon(options({ drainTimeoutMs: 50 }));
  const holders = await fillRoom(daemon.url);
  const closed = holders.map((holder) => once(holder.on('error', () => {}).resume(), 'close'));
  await daemon.close();
  await Promise.all(closed);
});
