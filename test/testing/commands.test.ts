import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { createSimulator } from '../../src/testing/index.js';
import { deviceToken, type Provider, withCertificate, withToken } from './provider.js';

const other = 'cd'.repeat(32);
const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } = constants;

/** How a push ends that may get no answer. */
async function outcome(push: ReturnType<Provider['push']>): Promise<string> {
  return push.then(
    ({ status, reason }) => [status, reason].join(' ').trim(),
    ({ rstCode }) => `reset ${rstCode}`,
  );
}

function goneAway(provider: Provider): Promise<[code: number, last: number, data?: Buffer]> {
  return once(provider.session, 'goaway') as Promise<[number, number, Buffer?]>;
}

test('an unregistered token gets 410 with its time, until it is registered again', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const at = new Date('2026-01-02T03:04:05.678Z');
  simulator.unregister(deviceToken.toUpperCase(), { at });
  for (let i = 0; i < 2; i += 1) {
    const { status, reason, timestamp } = await provider.push();
    assert.deepEqual([status, reason, timestamp], [410, 'Unregistered', at.getTime()]);
  }
  assert.equal((await provider.push({ token: other })).status, 200);
  simulator.register(deviceToken);
  assert.equal((await provider.push()).status, 200);
  assert.deepEqual(
    simulator.requests.map(({ reason }) => reason),
    ['Unregistered', 'Unregistered', null, null],
  );
});

test('a token can be expired, bad, or of another app; only 410 has a time', async () => {
  const now = 1_800_000_000_000;
  await using simulator = await createSimulator({ now: () => now });
  await using provider = await withCertificate(simulator);
  simulator.unregister('aa', { reason: 'ExpiredToken' });
  simulator.badDeviceToken('bb');
  simulator.tokenOfAnotherApp('cc');
  const bodies = await Promise.all(
    ['aa', 'bb', 'cc'].map(async (token) => (await provider.push({ token })).body),
  );
  assert.deepEqual(bodies, [
    `{"reason":"ExpiredToken","timestamp":${now}}`,
    '{"reason":"BadDeviceToken"}',
    '{"reason":"DeviceTokenNotForTopic"}',
  ]);
});

test('any status, reason, header and body can be had, once or as often as said', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.answer(
    { status: 503, reason: 'ServiceUnavailable', headers: { 'retry-after': '7' } },
    { times: 2 },
  );
  simulator.answer({ status: 502, body: '<html>' });
  const replies = [];
  for (let i = 0; i < 4; i += 1) replies.push(await provider.push());
  assert.deepEqual(
    replies.map(({ status, body }) => [status, body]),
    [
      [503, '{"reason":"ServiceUnavailable"}'],
      [503, '{"reason":"ServiceUnavailable"}'],
      [502, '<html>'],
      [200, ''],
    ],
  );
  assert.equal(replies[0]?.headers['retry-after'], '7');
  assert.deepEqual(
    simulator.requests.map(({ status, reason }) => [status, reason]),
    [
      [503, 'ServiceUnavailable'],
      [503, 'ServiceUnavailable'],
      [502, null],
      [200, null],
    ],
  );
  assert.equal(simulator.accepted.length, 1);
});

test('a command can be for one token alone, and the oldest that fits comes first', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.answer({ status: 500 }, { token: other.toUpperCase() });
  simulator.answer({ status: 429 });
  assert.equal((await provider.push()).status, 429);
  assert.equal((await provider.push()).status, 200);
  assert.equal((await provider.push({ token: other })).status, 500);
});

test('commands without end are forgotten on recover, those for tokens are not', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.answer({ status: 500 }, { times: Number.POSITIVE_INFINITY });
  simulator.badDeviceToken(other);
  for (let i = 0; i < 5; i += 1) assert.equal((await provider.push()).status, 500);
  simulator.recover();
  assert.equal((await provider.push()).status, 200);
  assert.equal((await provider.push({ token: other })).status, 400);
});

test('a command that can not be carried out is refused at once', async () => {
  await using simulator = await createSimulator();
  const code = { code: 'INVALID_ARGUMENT' };
  assert.throws(() => simulator.answer({ status: 100 }), code);
  assert.throws(() => simulator.goAway({ lastStreamId: 2 }), code);
  assert.throws(() => simulator.limitStreams(-1), code);
});

test('a stalled request is never answered; before leaves no trace, after does', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.stall({ when: 'before' });
  simulator.stall({ when: 'after', token: other });
  const ends = [outcome(provider.push()), outcome(provider.push({ token: other }))];
  await simulator.until(() => simulator.pending === 2 && simulator.requests.length === 1);
  assert.equal((await provider.push()).status, 200);
  assert.deepEqual(
    simulator.requests.map(({ token, status, reason }) => [token, status, reason]),
    [
      [other, 0, null],
      [deviceToken, 200, null],
    ],
  );
  provider.session.destroy();
  await Promise.all(ends);
  await simulator.until(() => simulator.pending === 0);
});

for (const when of ['before', 'after'] as const) {
  const recorded = when === 'after' ? [0] : [];

  test(`a reset ${when} recording ends one stream with the code`, async () => {
    await using simulator = await createSimulator();
    await using provider = await withCertificate(simulator);
    simulator.reset({ when });
    simulator.reset({ when, code: NGHTTP2_REFUSED_STREAM });
    assert.equal(await outcome(provider.push()), `reset ${NGHTTP2_INTERNAL_ERROR}`);
    assert.equal(await outcome(provider.push()), `reset ${NGHTTP2_REFUSED_STREAM}`);
    assert.equal(await outcome(provider.push()), '200');
    assert.deepEqual(
      simulator.requests.map(({ status }) => status),
      [...recorded, ...recorded, 200],
    );
  });

  test(`hanging up ${when} recording ends the connection and no other`, async () => {
    await using simulator = await createSimulator();
    await using one = await withCertificate(simulator);
    await using two = await withCertificate(simulator);
    simulator.hangUp({ when });
    const closed = once(one.session, 'close');
    await assert.rejects(one.push());
    await closed;
    assert.equal(await outcome(two.push()), '200');
    assert.deepEqual(
      simulator.requests.map(({ status }) => status),
      [...recorded, 200],
    );
    assert.equal(simulator.connections, 2);
  });

  test(`a delay ${when} recording holds the answer back`, async () => {
    await using simulator = await createSimulator();
    await using provider = await withCertificate(simulator);
    simulator.delay(50, { when });
    const start = performance.now();
    assert.equal((await provider.push()).status, 200);
    assert.ok(performance.now() - start >= 49);
    assert.equal(simulator.accepted.length, 1);
  });

  test(`a request can be held ${when} recording, as long as one likes`, async () => {
    await using simulator = await createSimulator();
    await using provider = await withCertificate(simulator);
    const release = simulator.hold({ when, token: other });
    const held = provider.push({ token: other });
    await simulator.until(() => simulator.pending === 1);
    if (when === 'after') await simulator.until(() => simulator.requests.length === 1);
    assert.equal((await provider.push()).status, 200);
    assert.equal(simulator.pending, 1);
    release();
    assert.equal((await held).status, 200);
    assert.deepEqual(
      simulator.accepted.map(({ token }) => token),
      when === 'after' ? [other, deviceToken] : [deviceToken, other],
    );
  });
}

test('a delayed request that is given up is not recorded', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.delay(60_000);
  const given = outcome(provider.push());
  await simulator.until(() => simulator.pending === 1);
  provider.session.destroy();
  await given;
  await simulator.until(() => simulator.pending === 0);
  assert.equal(simulator.requests.length, 0);
});

test('a delay goes with another command', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.delay(1, { times: Number.POSITIVE_INFINITY });
  simulator.answer({ status: 500 });
  assert.equal((await provider.push()).status, 500);
  assert.equal((await provider.push()).status, 200);
});

test('GOAWAY for all lets what is under way finish, then closes', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const release = simulator.hold({ times: 2 });
  const ends = [outcome(provider.push()), outcome(provider.push())];
  await simulator.until(() => simulator.pending === 2);
  const told = goneAway(provider);
  const closed = once(provider.session, 'close');
  simulator.goAway({ debugData: '{"reason":"Shutdown"}' });
  const [code, last, data] = await told;
  assert.deepEqual([code, last, data?.toString()], [0, 3, '{"reason":"Shutdown"}']);
  release();
  assert.deepEqual(await Promise.all(ends), ['200', '200']);
  await closed;
  await using next = await withCertificate(simulator);
  assert.equal(await outcome(next.push()), '200');
});

test('GOAWAY for none drops what is not recorded yet, and never what is', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  assert.equal(await outcome(provider.push()), '200');
  simulator.stall({ when: 'before', times: 3, token: deviceToken });
  const release = simulator.hold({ when: 'after', token: other });
  const dropped = [outcome(provider.push()), outcome(provider.push())];
  const kept = outcome(provider.push({ token: other }));
  dropped.push(outcome(provider.push()));
  await simulator.until(() => simulator.pending === 4 && simulator.requests.length === 2);
  const told = goneAway(provider);
  simulator.goAway({ lastStreamId: 'none' });
  assert.equal((await told)[1], 7);
  assert.deepEqual(await Promise.all(dropped), Array(3).fill('reset 7'));
  release();
  assert.equal(await kept, '200');
  assert.equal(simulator.requests.length, 2);
});

test('GOAWAY for none drops the very first request too', async () => {
  await using simulator = await createSimulator();
  await using provider = await withToken(simulator);
  simulator.stall({ when: 'before' });
  const first = outcome(provider.push());
  await simulator.until(() => simulator.pending === 1);
  simulator.goAway({ lastStreamId: 'none' });
  assert.equal(await first, `reset ${NGHTTP2_REFUSED_STREAM}`);
  assert.equal(simulator.requests.length, 0);
});

test('GOAWAY with a chosen last id drops the streams above it', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const release = simulator.hold({ times: 4 });
  const ends = [1, 3, 5, 7].map(() => outcome(provider.push()));
  await simulator.until(() => simulator.pending === 4);
  const told = goneAway(provider);
  simulator.goAway({ lastStreamId: 3 });
  assert.equal((await told)[1], 3);
  release();
  assert.deepEqual(await Promise.all(ends), ['200', '200', 'reset 7', 'reset 7']);
  assert.equal(simulator.requests.length, 2);
});

test('GOAWAY reaches all connections, idle ones too, with any code', async () => {
  await using simulator = await createSimulator();
  await using one = await withCertificate(simulator);
  await using two = await withToken(simulator);
  const told = [goneAway(one), goneAway(two)];
  simulator.goAway({ code: NGHTTP2_ENHANCE_YOUR_CALM });
  for (const [code, last] of await Promise.all(told)) {
    assert.deepEqual([code, last], [NGHTTP2_ENHANCE_YOUR_CALM, 0]);
  }
});

test('the limit of streams falls and rises on connections that are open, and holds for new ones', async () => {
  await using simulator = await createSimulator();
  await using certified = await withCertificate(simulator);
  await using unproven = await withToken(simulator);
  const limits: (number | undefined)[] = [];
  for (const limit of [2, 0, 5000]) {
    const told = [certified, unproven].map(({ session }) => once(session, 'remoteSettings'));
    simulator.limitStreams(limit);
    await Promise.all(told);
    limits.push(certified.maxConcurrentStreams, unproven.maxConcurrentStreams);
  }
  assert.deepEqual(limits, [2, 1, 0, 0, 5000, 1]);
  for (let limit = 100; limit > 0; limit -= 1) simulator.limitStreams(limit);
  await using next = await withCertificate(simulator);
  assert.equal(next.maxConcurrentStreams, 1);
  assert.equal(await outcome(certified.push()), '200');
  assert.equal(certified.maxConcurrentStreams, 1);
});

test('thousands of requests can wait at once', async () => {
  await using simulator = await createSimulator({ maxConcurrentStreams: 5000 });
  await using provider = await withCertificate(simulator);
  simulator.stall({ when: 'before', times: 5000 });
  const body = JSON.stringify({ aps: { alert: 'x'.repeat(4000) } });
  const ends = Array.from({ length: 5000 }, () => outcome(provider.push({ body })));
  await simulator.until(() => simulator.pending === 5000);
  simulator.goAway({ lastStreamId: 'none' });
  assert.deepEqual([...new Set(await Promise.all(ends))], ['reset 7']);
});
