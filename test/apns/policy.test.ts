import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { type Simulator, startTestDaemon } from '../../src/testing/index.js';
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
    ['503', (it) => it.answer({ status: 503, reason: 'ServiceUnavailable' }), [503, 200]],
    ['503 shutdown', (it) => it.answer({ status: 503, reason: 'Shutdown' }), [503, 200]],
    ['500', (it) => it.answer({ status: 500, reason: 'InternalServerError' }), [500, 200]],
    ['429', (it) => it.answer({ status: 429, reason: 'TooManyRequests' }), [429, 200]],
    ['idle', (it) => it.answer({ status: 400, reason: 'IdleTimeout' }), [400, 200]],
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

test("Apple's last word is never repeated, whatever came before it", async () => {
  const final = [
    { status: 400, reason: 'BadDeviceToken' },
    { status: 410, reason: 'Unregistered' },
    { status: 413, reason: 'PayloadTooLarge' },
    { status: 403, reason: 'BadCertificate' },
    { status: 404, reason: 'BadPath' },
    { status: 405, reason: 'MethodNotAllowed' },
  ];
  await using daemon = await startDaemon();
  for (const answer of final) {
    const before = daemon.simulator.requests.length;
    daemon.simulator.answer({ status: 503 });
    daemon.simulator.answer(answer);
    assert.notEqual((await daemon.sendOne())?.status, 'accepted');
    assert.deepEqual(
      daemon.simulator.requests.slice(before).map(({ status }) => status),
      [503, answer.status],
    );
  }
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

test('Retry-After is waited for', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 503, headers: { 'retry-after': '1' } });
  assert.equal((await daemon.sendOne())?.status, 'accepted');
  const [gap = 0] = gaps(daemon.simulator);
  assert.ok(gap >= 998, `${gap} ms`);
});

test('a Retry-After beyond the deadline is told at once', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 503, headers: { 'retry-after': '60' } });
  const before = performance.now();
  const answer = await daemon.sendOne(30_000);
  assert.ok(performance.now() - before < 10_000);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
  assert.equal(daemon.simulator.requests.length, 1);
});

test("the deadline ends the repeats with the last attempt's reason", async () => {
  await using daemon = await startDaemon();
  const reason = 'ServiceUnavailable';
  daemon.simulator.answer({ status: 503, reason }, { times: Number.POSITIVE_INFINITY });
  const answer = await daemon.sendOne(500);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
  assert.equal(answer.message, 'no answer from APNs: Apple answered 503 ServiceUnavailable');
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
