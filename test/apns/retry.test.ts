import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID } from 'node:crypto';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { ProviderTokens } from '../../src/apns/credentials/provider-token.js';
import { createPool } from '../../src/apns/http2/pool.js';
import { RequestTemplate } from '../../src/apns/request.js';
import { deliver } from '../../src/apns/retry.js';
import type { Verdict } from '../../src/apns/verdict.js';
import { checkNotification } from '../../src/notification/check.js';
import { createSimulator, type Simulator, startTestDaemon } from '../../src/testing/index.js';
import { call, send } from '../support/calling.js';

/** The policy as the daemon applies it: one notification goes out, and the simulator does something to it. */
async function startDaemon() {
  const daemon = await startTestDaemon();
  const [app] = daemon.initial;
  await call(daemon.host, 'apnsd.provision', app);
  const sendOne = async (timeoutMs?: number) => {
    const id = randomUUID();
    const to: [string, string][] = [['aa11', id]];
    const notification = { payload: { aps: { alert: 'Hello' } }, to };
    const [answer] = await send(daemon.host, app?.appId ?? '', [notification], timeoutMs);
    assert.equal(answer?.id, id);
    return answer;
  };
  return Object.assign(daemon, { sendOne });
}

/** How many milliseconds passed between one attempt and the next. */
function gaps({ requests }: Simulator): number[] {
  return requests.slice(1).map(({ at }, i) => at - (requests[i]?.at ?? 0));
}

test('what Apple did not finally answer goes out again with the same apns-id, and is accepted once', async () => {
  const { NGHTTP2_REFUSED_STREAM: refused } = constants;
  const cases: [name: string, command: (simulator: Simulator) => void, statuses: number[]][] = [
    ['no JSON', (it) => it.answer({ status: 502, body: '<html>' }), [502, 200]],
    ['twice', (it) => it.answer({ status: 503 }, { times: 2 }), [503, 503, 200]],
    ['refused', (it) => it.reset({ when: 'before', code: refused }), [200]],
    ['reset before', (it) => it.reset({ when: 'before' }), [200]],
    ['reset after', (it) => it.reset({ when: 'after' }), [0, 200]],
    ['cut before', (it) => it.hangUp({ when: 'before' }), [200]],
    ['cut after', (it) => it.hangUp({ when: 'after' }), [0, 200]],
  ];
  await Promise.all(
    cases.map(async ([name, command, statuses]) => {
      await using daemon = await startDaemon();
      command(daemon.simulator);
      const answer = await daemon.sendOne();
      assert.equal(answer?.status, 'accepted', name);
      const { requests } = daemon.simulator;
      assert.deepEqual(
        requests.map(({ status }) => status),
        statuses,
        name,
      );
      assert.deepEqual(new Set(requests.map(({ id }) => id)), new Set([answer.id]), name);
    }),
  );
});

test('repeats come later and later', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 503 }, { times: 4 });
  assert.equal((await daemon.sendOne())?.status, 'accepted');
  const least = [50, 100, 200, 400];
  const between = gaps(daemon.simulator);
  assert.equal(between.length, least.length);
  // Timers round to whole milliseconds.
  assert.ok(
    least.every((ms, i) => (between[i] ?? 0) >= ms - 2),
    between.join(', '),
  );
});

test('Retry-After is waited for, in seconds or as a date', async () => {
  await using daemon = await startDaemon();
  const { simulator } = daemon;
  simulator.answer({ status: 503, headers: { 'retry-after': '1' } });
  assert.equal((await daemon.sendOne())?.status, 'accepted');
  const [gap = 0] = gaps(simulator);
  assert.ok(gap >= 998, `${gap} ms`);

  // A date has whole seconds.
  const date = new Date(Date.now() + 2000);
  simulator.answer({ status: 429, headers: { 'retry-after': date.toUTCString() } });
  assert.equal((await daemon.sendOne())?.status, 'accepted');
  const earlyMs = date.setMilliseconds(0) - (simulator.requests.at(-1)?.at ?? 0);
  assert.ok(earlyMs <= 2, `${earlyMs} ms too early`);
});

test("a Retry-After beyond the deadline is told at once, with the last attempt's reason", async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 500, reason: 'InternalServerError' });
  const headers = { 'retry-after': '60' };
  daemon.simulator.answer({ status: 503, reason: 'ServiceUnavailable', headers });
  const before = performance.now();
  const answer = await daemon.sendOne(30_000);
  assert.ok(performance.now() - before < 10_000);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
  assert.equal(answer.message, 'no answer from APNs: Apple answered 503 ServiceUnavailable');
  assert.equal(daemon.simulator.requests.length, 2);
});

test('the deadline ends the repeats', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 503 }, { times: Number.POSITIVE_INFINITY });
  const answer = await daemon.sendOne(1000);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
  const { requests } = daemon.simulator;
  assert.ok(requests.length >= 2);
  assert.deepEqual(new Set(requests.map(({ id }) => id)), new Set([answer.id]));
});

test('a silent Apple is waited for until the deadline, and not asked twice', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.stall({ when: 'after' });
  const answer = await daemon.sendOne(300);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
  assert.equal(daemon.simulator.requests.length, 1);
});

test('while one notification is backed off, others to other devices go through', async () => {
  await using daemon = await startDaemon();
  const { simulator } = daemon;
  const headers = { 'retry-after': '60' };
  simulator.answer({ status: 429, reason: 'TooManyRequests', headers }, { token: 'aa11' });
  assert.equal((await daemon.sendOne())?.status, 'failed');
  assert.equal((await daemon.sendOne())?.status, 'accepted');
  assert.equal(simulator.connections, 1);
});

const minute = 60_000;

/** The policy with token credentials, where Apple's clock and ours are the test's. */
async function startWithClocks() {
  const ours = { now: Date.now() };
  const apples = { now: ours.now };
  const simulator = await createSimulator({ now: () => apples.now });
  const { key, keyId, teamId, topic } = simulator.key;
  const tokenKey = { key: createPrivateKey(key), keyId, teamId };
  const token = new ProviderTokens(() => ours.now).for(tokenKey);
  const authorization = () => token.current();
  const sender = createPool({ gateway: simulator.url, ca: [simulator.ca], authorization });
  const draft = new RequestTemplate(checkNotification({ payload: { aps: { alert: 'Hello' } } }));
  return {
    ours,
    apples,
    simulator,
    deliverOne: () =>
      new Promise<Verdict>((settled, broke) =>
        deliver(
          {
            route: () => ({ sender, token }),
            requestOver: () => draft.requestTo('aa11', randomUUID(), topic),
            retries: () => {},
            failed: () => false,
            settled,
            broke,
          },
          { deadline: performance.now() + 30_000 },
        ),
      ),
    signatures: () => new Set(simulator.requests.map(({ headers }) => headers.authorization)).size,
    async [Symbol.asyncDispose]() {
      await sender.close();
      await simulator.close();
    },
  };
}

test('a thousand requests whose token has expired cause one new signature, and each is repeated once', async () => {
  await using it = await startWithClocks();
  const { simulator } = it;
  assert.equal((await it.deliverOne()).kind, 'accepted');
  it.ours.now += 20 * minute;
  it.apples.now += 61 * minute;
  const release = simulator.hold({ times: 1000 });
  const sent = Array.from({ length: 1000 }, () => it.deliverOne());
  await simulator.until(() => simulator.pending === 1000);
  release();
  const verdicts = await Promise.all(sent);
  assert.deepEqual(new Set(verdicts.map(({ kind }) => kind)), new Set(['accepted']));
  assert.equal(it.signatures(), 2);
  assert.equal(simulator.requests.length, 2001);
  assert.equal(simulator.requests.filter(({ status }) => status === 403).length, 1000);
});

test('a token that Apple calls expired although it was just signed again is the last word', async () => {
  await using it = await startWithClocks();
  it.ours.now += 20 * minute;
  it.apples.now += 24 * 60 * minute;
  const verdict = await it.deliverOne();
  assert.ok(verdict.kind === 'failed');
  assert.equal(verdict.error.code, 'CREDENTIALS');
  assert.equal(verdict.error.message, 'Apple answered 403 ExpiredProviderToken');
  assert.equal(it.simulator.requests.length, 2);
  assert.equal(it.signatures(), 2);

  const next = await it.deliverOne();
  assert.ok(next.kind === 'failed');
  assert.match(
    next.error.message,
    /ExpiredProviderToken to a token signed 0 seconds ago: the clock/,
  );
  assert.equal(it.simulator.requests.length, 3);
  assert.equal(it.signatures(), 2);
});

test('a client certificate has no token to sign again', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 403, reason: 'ExpiredProviderToken' });
  const answer = await daemon.sendOne();
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'CREDENTIALS');
  assert.equal(daemon.simulator.requests.length, 1);
});

test('a key that no connection takes is a matter of credentials when the deadline comes', async () => {
  await using daemon = await startDaemon();
  const unrelated = { status: 403, reason: 'UnrelatedKeyIdInToken' };
  daemon.simulator.answer(unrelated);
  daemon.simulator.answer({ ...unrelated, headers: { 'retry-after': '60' } });
  const answer = await daemon.sendOne();
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'CREDENTIALS');
  assert.equal(answer.message, 'Apple answered 403 UnrelatedKeyIdInToken');
  assert.deepEqual(
    daemon.simulator.requests.map(({ connection }) => connection),
    [1, 2],
  );
});
