/** A wall clock that is set changes nothing that the daemon waits for or remembers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deduplicator } from '../../src/daemon/dedup/deduplicator.js';
import { Digest, Fingerprint } from '../../src/daemon/dedup/fingerprint.js';
import { startTestDaemon } from '../../src/testing/index.js';
import { call, send } from '../support/calling.js';

const dayMs = 86_400_000;
const payload = { aps: { alert: 'Hello' } };
const id = '00000000-0000-4000-8000-000000000001';

for (const [name, stepMs] of [
  ['a day forward', dayMs],
  ['a day back', -dayMs],
] as const) {
  test(`${name}: what is under way goes on, what was answered stays known, and Retry-After is what it was`, async (t) => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    await call(host, 'provision', 'a', simulator.certificate, 'sandbox', 30);
    const sendTo = (token: string) => send(host, 'a', [{ payload, to: [[token, id]] }], 20_000);
    const [known] = await sendTo('aa');
    const release = simulator.hold({ when: 'after', times: 2 });
    const underWay = [sendTo('bb'), call(host, 'notify', 'a', 'cc', payload)];
    await simulator.until(() => simulator.pending === 2);
    simulator.answer(
      { status: 429, reason: 'TooManyRequests', headers: { 'retry-after': '1' } },
      { token: 'dd' },
    );
    const resting = sendTo('dd');
    await simulator.until(() => simulator.requests.some(({ token }) => token === 'dd'));
    const restedAt = performance.now();

    const real = Date.now;
    t.mock.method(Date, 'now', () => real() + stepMs);
    const [again] = await sendTo('aa');
    assert.deepEqual(again, known);
    assert.equal((await resting)[0]?.status, 'accepted');
    assert.ok(performance.now() - restedAt >= 990);
    release();
    const [sent, notified] = await Promise.all(underWay);
    assert.equal((sent as { status: string }[])[0]?.status, 'accepted');
    assert.equal(notified, null);
    assert.equal(simulator.requests.length, 5);
  });

  test(`${name}: notify's timeout is what the provision said`, async (t) => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    await call(host, 'provision', 'a', simulator.certificate, 'sandbox', 1);
    simulator.stall({ when: 'after' });
    const startedAt = performance.now();
    const notified = call(host, 'notify', 'a', 'aa', payload);
    await simulator.until(() => simulator.requests.length === 1);
    const real = Date.now;
    t.mock.method(Date, 'now', () => real() + stepMs);
    await assert.rejects(notified, { faultCode: 500 });
    const tookMs = performance.now() - startedAt;
    // The upper bound only tells a timeout from none.
    assert.ok(tookMs >= 890 && tookMs < 15_000, `${tookMs} ms`);
  });

  test(`${name}: answers are forgotten when they are ten minutes old, no sooner and no later`, (t) => {
    const answers = new Deduplicator(10);
    let sent = 0;
    const ask = () =>
      answers.once({
        id,
        fingerprint: new Fingerprint(new Digest('a'), 'aa', id),
        payload: new Digest('payload'),
        deadline: Number.POSITIVE_INFINITY,
        send: (told) => {
          sent += 1;
          told.answered({ kind: 'accepted' });
        },
        answered: () => {},
        waits: () => {},
        broke: assert.fail,
      });
    ask();
    const [startedAt, real] = [performance.now(), Date.now];
    t.mock.method(Date, 'now', () => real() + stepMs);
    ask();
    assert.equal(sent, 1);
    t.mock.method(performance, 'now', () => startedAt + 600_001);
    ask();
    assert.equal(sent, 2);
  });
}
