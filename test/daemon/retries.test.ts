/** What Apple may be asked again, and when, however often callers ask the daemon. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createDaemon } from '../../src/daemon/index.js';
import { createClient } from '../../src/index.js';
import type { SendAnswer } from '../../src/rpc/methods.js';
import { createSimulator } from '../../src/testing/index.js';
import { call, send } from '../support/calling.js';
import { logBook } from '../support/log-book.js';

const payload = { aps: { alert: 'Hello' } };
const always = { times: Number.POSITIVE_INFINITY };

async function startDaemon() {
  const simulator = await createSimulator();
  const book = logBook();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
    log: book.log,
  });
  const { key, keyId, teamId, topic } = simulator.key;
  const app = { environment: 'sandbox', key, keyId, teamId, topic } as const;
  for (const appId of ['a', 'b']) await call(daemon.url, 'apnsd.provision', { ...app, appId });
  return {
    simulator,
    daemon,
    book,
    app,
    sendOne: async (timeoutMs: number, { appId = 'a', token = 'aa', id = randomUUID() } = {}) => {
      const to: [string, string][] = [[token, id]];
      const [answer] = await send(daemon.url, appId, [{ payload, to }], timeoutMs);
      return answer as SendAnswer;
    },
    async [Symbol.asyncDispose]() {
      await daemon.close();
      await simulator.close();
    },
  };
}

/** How many milliseconds passed between one request for the token and the next. */
function gapsOf({ simulator }: Awaited<ReturnType<typeof startDaemon>>, token = 'aa'): number[] {
  const at = simulator.requests.filter((request) => request.token === token).map(({ at }) => at);
  return at.slice(1).map((later, i) => later - (at[i] ?? 0));
}

/** Clocks of whole milliseconds are between. */
function expectGaps(gaps: number[], least: number[]): void {
  assert.equal(gaps.length, least.length, gaps.join(', '));
  assert.ok(
    least.every((ms, i) => (gaps[i] ?? 0) >= ms - 2),
    gaps.join(', '),
  );
}

for (const status of [429, 503]) {
  test(`Retry-After with ${status} is kept from one call to the next: a client that repeats knocks once when it is over`, async () => {
    await using it = await startDaemon();
    const headers = { 'retry-after': '3' };
    it.simulator.answer({ status, reason: 'SomeReason', headers });
    await using client = createClient({
      host: it.daemon.url,
      initial: [{ ...it.app, appId: 'a' }],
      timeoutMs: 1000,
    });
    const receipt = await client.notify('aa', 'Hello');
    assert.equal(receipt.status, 'accepted');
    assert.ok(receipt.attempts > 3, `${receipt.attempts}`);
    expectGaps(gapsOf(it), [3000]);
  });

  test(`calls that have joined one another do not multiply what is sent after ${status} with Retry-After`, async () => {
    await using it = await startDaemon();
    assert.equal((await it.sendOne(10_000, { token: 'bb' })).status, 'accepted');
    const headers = { 'retry-after': '3' };
    it.simulator.answer({ status, reason: 'SomeReason', headers }, always);
    const id = randomUUID();
    const first = it.sendOne(4500, { id });
    await it.simulator.until(() => it.simulator.requests.length === 2);
    // Each is abandoned by its caller after two seconds, and has time left when the second answer comes.
    const polls = [4600, 4800, 5000].map((timeoutMs) => it.sendOne(timeoutMs, { id }));
    const message = `no answer from APNs: Apple answered ${status} SomeReason`;
    for (const answer of await Promise.all([first, ...polls])) {
      assert.deepEqual(answer, { status: 'pending', id, message });
    }
    await it.simulator.until(() => it.simulator.requests.length === 3);
    const last = await it.sendOne(500, { id });
    assert.deepEqual(last, { status: 'failed', id, code: 'APNS_UNAVAILABLE', message });
    expectGaps(gapsOf(it), [3000]);
  });
}

test('without Retry-After the pauses grow from one call to the next', async () => {
  await using it = await startDaemon();
  it.simulator.answer({ status: 429, reason: 'TooManyRequests' }, always);
  const id = randomUUID();
  const least = [50, 100, 200, 400, 800];
  // Most of them have less time than the pause takes.
  while (it.simulator.requests.length <= least.length) {
    const answer = await it.sendOne(60, { id });
    assert.equal(answer.status, 'failed');
    await delay(5);
  }
  expectGaps(gapsOf(it), least);
});

test('a 503 with Retry-After holds up all notifications of its app, and no other app', async () => {
  await using it = await startDaemon();
  const { simulator } = it;
  const headers = { 'retry-after': '1' };
  simulator.answer({ status: 503, reason: 'ServiceUnavailable', headers });
  const first = it.sendOne(10_000);
  await simulator.until(() => simulator.requests.length === 1);
  const inTime = await it.sendOne(500, { token: 'bb' });
  assert.ok(inTime.status === 'failed');
  assert.equal(inTime.message, 'no answer from APNs: Apple answered 503 ServiceUnavailable');
  const others = [it.sendOne(10_000, { token: 'cc' }), it.sendOne(10_000, { token: 'dd' })];
  assert.equal((await it.sendOne(10_000, { appId: 'b', token: 'ee' })).status, 'accepted');
  for (const answer of await Promise.all([first, ...others])) {
    assert.equal(answer.status, 'accepted');
  }
  const startedAt = simulator.requests[0]?.at ?? 0;
  const after = (token: string) =>
    simulator.requests.filter((request) => request.token === token).map(({ at }) => at - startedAt);
  assert.deepEqual(after('bb'), []);
  assert.ok((after('ee')[0] ?? 0) < 998);
  for (const token of ['cc', 'dd']) assert.ok((after(token)[0] ?? 0) >= 998, `${after(token)}`);
});

test('apnsd.status has the pause that Apple asked for, and since when', async () => {
  await using it = await startDaemon();
  const headers = { 'retry-after': '60' };
  const startedAt = Date.now();
  it.simulator.answer({ status: 503, reason: 'ServiceUnavailable', headers });
  assert.equal((await it.sendOne(10_000)).status, 'failed');
  const troubles = async () => {
    const { apps } = (await call(it.daemon.url, 'apnsd.status')) as {
      apps: { trouble?: { reason: string; since: number } }[];
    };
    return apps.map(({ trouble }) => trouble);
  };
  const [trouble, none] = await troubles();
  assert.equal(trouble?.reason, 'Apple answered 503 ServiceUnavailable');
  assert.ok(Number(trouble?.since) >= startedAt);
  assert.equal(none, undefined);
  assert.deepEqual(await troubles(), [trouble, none]);
});

test('a 429 with Retry-After holds up no other notification', async () => {
  await using it = await startDaemon();
  const headers = { 'retry-after': '60' };
  it.simulator.answer({ status: 429, reason: 'TooManyRequests', headers });
  assert.equal((await it.sendOne(10_000)).status, 'failed');
  assert.equal((await it.sendOne(10_000, { token: 'bb' })).status, 'accepted');
  // Another one to the same device is another notification.
  assert.equal((await it.sendOne(10_000)).status, 'accepted');
});

test('a notification counts once however often it fails and is repeated, with one line in the log, and attempts count apart', async () => {
  await using it = await startDaemon();
  const { simulator } = it;
  const headers = { 'retry-after': '3' };
  simulator.answer({ status: 429, reason: 'TooManyRequests', headers }, { times: 2 });
  const id = randomUUID();
  const answers: SendAnswer[] = [];
  while (answers.at(-1)?.status !== 'accepted') {
    answers.push(await it.sendOne(2500, { id }));
    await delay(20);
  }
  answers.push(await it.sendOne(2500, { id }));
  const failed = answers.filter(({ status }) => status === 'failed');
  assert.ok(failed.length > 2, `${failed.length}`);
  const { apps } = (await call(it.daemon.url, 'apnsd.status')) as { apps: { counts: object }[] };
  assert.deepEqual(apps[0]?.counts, { accepted: 1, rejected: 0, failed: 1, attempts: 3 });
  assert.equal(simulator.requests.length, 3);
  assert.deepEqual(it.book.of('failed'), [
    {
      app: 'a',
      token: '…aa',
      id,
      reason: 'no answer from APNs: Apple answered 429 TooManyRequests',
    },
  ]);
});

test('a daemon that stops leaves no timer for what rests', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const it = await startDaemon();
  const headers = { 'retry-after': '30' };
  it.simulator.answer({ status: 429, reason: 'TooManyRequests', headers });
  assert.equal((await it.sendOne(60_000)).status, 'pending');
  await it[Symbol.asyncDispose]();
  const stoppedAt = performance.now();
  while (timers() > before) await new Promise(setImmediate);
  assert.ok(performance.now() - stoppedAt < 10_000);
});
