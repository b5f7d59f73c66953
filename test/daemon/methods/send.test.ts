import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import type { SendAnswer } from '../../../src/rpc/methods.js';
import { createSimulator, startTestDaemon } from '../../../src/testing/index.js';
import { call, send } from '../../support/calling.js';

const payload = { aps: { alert: 'Hello' } };

function idOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

async function startDaemon() {
  const daemon = await startTestDaemon();
  const [app] = daemon.initial;
  await call(daemon.host, 'apnsd.provision', app);
  const appId = app?.appId ?? '';
  const sendAll = (notifications: Parameters<typeof send>[2], timeoutMs?: number) =>
    send(daemon.host, appId, notifications, timeoutMs);
  /** One notification to each token, with the ids 0, 1, 2 … */
  const sendTo = (tokens: string[], timeoutMs?: number) =>
    sendAll([{ payload, to: tokens.map((token, i) => [token, idOf(i)]) }], timeoutMs);
  return Object.assign(daemon, { appId, sendAll, sendTo });
}

interface AppStatus {
  counts: object;
  feedback: { waiting: number };
}

async function appsOf(host: string): Promise<AppStatus[]> {
  return ((await call(host, 'apnsd.status')) as { apps: AppStatus[] }).apps;
}

/** `{ status: 'failed' }` with this code, for each. */
function failed(answers: SendAnswer[], code: string, says: RegExp): void {
  for (const answer of answers) {
    assert.ok(answer.status === 'failed', JSON.stringify(answer));
    assert.equal(answer.code, code);
    assert.match(answer.message, says);
  }
}

test('an accepted notification has its id, and the unique id that the sandbox gives', async () => {
  await using daemon = await startDaemon();
  const [answer, ...more] = await daemon.sendTo(['AA 11']);
  assert.deepEqual(more, []);
  assert.ok(answer?.status === 'accepted');
  assert.equal(answer.id, idOf(0));
  assert.match(answer.uniqueId ?? '', /^[0-9a-f-]{36}$/);
  const [request] = daemon.simulator.accepted;
  assert.equal(request?.id, idOf(0));
  assert.equal(request?.token, 'aa11');
  assert.deepEqual(request?.payload, payload);
});

test('production gives no unique id', async () => {
  await using daemon = await startTestDaemon({ simulator: { environment: 'production' } });
  const [app] = daemon.initial;
  assert.equal(app?.environment, 'production');
  await call(daemon.host, 'apnsd.provision', app);
  assert.deepEqual(
    await send(daemon.host, app?.appId ?? '', [{ payload, to: [['aa', idOf(1)]] }]),
    [{ status: 'accepted', id: idOf(1) }],
  );
});

test('a brief answer has 1 for what was accepted and has no unique id, and says of all else what it is', async () => {
  await using daemon = await startTestDaemon({ simulator: { environment: 'production' } });
  const [app] = daemon.initial;
  await call(daemon.host, 'apnsd.provision', app);
  daemon.simulator.unregister('bb');
  const to = ['aa', 'bb', 'cc', 'no hex'].map((token, number) => [token, idOf(number)]);
  const request = JSON.stringify({
    timeoutMs: 5000,
    brief: true,
    notifications: [{ payload, to }],
  });
  const text = await call(daemon.host, 'apnsd.send', app?.appId, request);
  const [first, dead, third, wrong] = JSON.parse(String(text));
  assert.deepEqual([first, third], [1, 1]);
  assert.deepEqual([dead.status, dead.id, dead.reason], ['rejected', idOf(1), 'Unregistered']);
  assert.deepEqual([wrong.status, wrong.id], ['failed', idOf(3)]);
});

test('a brief answer gives the unique id where there is one', async () => {
  await using daemon = await startDaemon();
  const notifications = [{ payload, to: [['aa', idOf(0)]] }];
  const request = JSON.stringify({ timeoutMs: 5000, brief: true, notifications });
  const text = await call(daemon.host, 'apnsd.send', daemon.appId, request);
  assert.match(
    String(text),
    /^\[\{"status":"accepted","id":"[0-9a-f-]{36}","uniqueId":"[0-9a-f-]{36}"\}\]$/,
  );
});

test("Apple's no has its reason and status, and of a dead token the time", async () => {
  await using daemon = await startDaemon();
  const { simulator } = daemon;
  const at = new Date(1_700_000_000_123);
  simulator.unregister('01', { at });
  simulator.unregister('02', { at, reason: 'ExpiredToken' });
  simulator.badDeviceToken('03');
  simulator.answer({ status: 413, reason: 'PayloadTooLarge' }, { token: '04' });
  const rejected = (id: number, reason: string, httpStatus: number) => ({
    status: 'rejected',
    id: idOf(id),
    reason,
    httpStatus,
  });
  const unregisteredAt = at.getTime();
  const answers = await daemon.sendTo(['00', '01', '02', '03', '04', '05']);
  assert.deepEqual(answers.slice(1, 5), [
    { ...rejected(1, 'Unregistered', 410), unregisteredAt },
    { ...rejected(2, 'ExpiredToken', 410), unregisteredAt },
    rejected(3, 'BadDeviceToken', 400),
    rejected(4, 'PayloadTooLarge', 413),
  ]);
  assert.deepEqual([answers[0]?.status, answers[5]?.status], ['accepted', 'accepted']);
});

test('credentials that Apple refuses fail the notification with CREDENTIALS and the reason', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 403, reason: 'BadCertificateEnvironment' }, { token: 'aa' });
  const [refused, neighbour] = await daemon.sendTo(['aa', 'bb']);
  assert.deepEqual(refused, {
    status: 'failed',
    id: idOf(0),
    code: 'CREDENTIALS',
    message: 'Apple answered 403 BadCertificateEnvironment',
  });
  assert.equal(neighbour?.status, 'accepted');
});

test('a notification without an answer in the time that the caller has left fails with APNS_UNAVAILABLE', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.stall({ when: 'after', token: 'aa' });
  const before = performance.now();
  const [stalled, neighbour] = await daemon.sendTo(['aa', 'bb'], 300);
  const tookMs = performance.now() - before;
  assert.ok(stalled);
  failed([stalled], 'APNS_UNAVAILABLE', /^no answer from APNs: /);
  assert.equal(stalled.id, idOf(0));
  assert.equal(neighbour?.status, 'accepted');
  // The upper bound only tells a deadline from no deadline.
  assert.ok(tookMs >= 290 && tookMs < 5000, `${tookMs} ms`);
});

test('answers come in the order of the receivers, whatever the order of their arrival', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.delay(100, { token: '00' });
  daemon.simulator.delay(50, { token: '02' });
  const answers = await daemon.sendAll([
    {
      payload,
      to: [
        ['00', idOf(0)],
        ['01', idOf(1)],
      ],
    },
    { payload: { aps: { alert: 'other' } }, to: [['02', idOf(2)]] },
    { payload, to: [['03', idOf(3)]] },
  ]);
  assert.deepEqual(
    answers.map(({ id }) => id),
    [0, 1, 2, 3].map(idOf),
  );
  assert.deepEqual(daemon.simulator.accepted.find(({ token }) => token === '02')?.payload, {
    aps: { alert: 'other' },
  });
});

test('a bad member fails alone, with INVALID_ARGUMENT and what is wrong with it', async () => {
  await using daemon = await startDaemon();
  const cyclic = JSON.parse('{"toString": 1}');
  const to = (...members: [unknown?, unknown?][]) => ({
    payload,
    to: members as [string, string][],
  });
  const answers = await daemon.sendAll([
    to(
      ['aa', idOf(0)],
      ['zz', idOf(1)],
      ['ab', 'no-uuid'],
      ['ac', cyclic],
      ['ad'],
      [],
      [7, idOf(2)],
    ),
    { payload: 'text' as never, to: [['ae', idOf(3)]] },
    {
      payload: { a: 'x'.repeat(5000) },
      to: [
        ['af', idOf(4)],
        ['b0', idOf(5)],
      ],
    },
    { payload, loud: true, to: [['b1', idOf(6)]] },
    { payload, priority: 7, expiration: '0' as never, to: [['b2', idOf(7)]] },
    to(['bb', idOf(8).toUpperCase()]),
  ]);
  const [first, ...rest] = answers;
  const last = rest.pop();
  assert.equal(first?.status, 'accepted');
  assert.equal(last?.status, 'accepted');
  assert.equal(last?.id, idOf(8).toUpperCase());
  failed(rest, 'INVALID_ARGUMENT', /^(token|id|payload|loud|priority) /);
  const messages = rest.map((answer) => ('message' in answer ? answer.message : ''));
  assert.match(messages.at(-1) ?? '', /^priority is 7.*; expiration is "0", expected a Date/);
  assert.deepEqual(
    rest.map(({ id }) => id),
    [idOf(1), 'no-uuid', '', '', '', ...[2, 3, 4, 5, 6, 7].map(idOf)],
  );
  assert.deepEqual(daemon.simulator.accepted.map(({ token, id }) => [token, id]).sort(), [
    ['aa', idOf(0)],
    ['bb', idOf(8)],
  ]);
});

test('push type, topic, priority, expiration and collapse id reach Apple as headers, and 0 and null are told apart from none', async () => {
  await using daemon = await startDaemon();
  const token = (digit: number): [string, string][] => [[`0${digit}`, idOf(digit)]];
  await daemon.sendAll([
    { payload, to: token(0) },
    { payload, expiration: 0, priority: 1, collapseId: null, to: token(1) },
    { payload, expiration: 4_102_444_800, topic: 'com.example.app', collapseId: 'é', to: token(2) },
    { payload: { aps: { 'content-available': 1 } }, to: token(3) },
    { payload: { aps: { 'content-available': 1 } }, pushType: 'alert', priority: 5, to: token(4) },
  ]);
  const seen = daemon.simulator.accepted
    .map(({ token, headers }) => [
      token,
      headers['apns-push-type'],
      headers['apns-priority'],
      headers['apns-expiration'],
      headers['apns-topic'],
      headers['apns-collapse-id'],
    ])
    .sort();
  const topic = 'com.example.app';
  assert.deepEqual(seen, [
    ['00', 'alert', undefined, undefined, topic, idOf(0)],
    ['01', 'alert', '1', '0', topic, undefined],
    ['02', 'alert', undefined, '4102444800', topic, Buffer.from('é').toString('latin1')],
    ['03', 'background', '5', undefined, topic, undefined],
    ['04', 'alert', '5', undefined, topic, idOf(4)],
  ]);
});

test('a repeat joins the one under way, a later one gets the same answer, and Apple sees it once', async () => {
  await using daemon = await startDaemon();
  const { simulator } = daemon;
  simulator.unregister('bb');
  const release = simulator.hold({ when: 'after', times: 2 });
  const first = daemon.sendTo(['aa', 'bb']);
  await simulator.until(() => simulator.requests.length === 2);
  const second = daemon.sendTo(['aa', 'bb']);
  await call(daemon.host, 'apnsd.status');
  release();
  const answers = await first;
  assert.deepEqual(
    answers.map(({ status }) => status),
    ['accepted', 'rejected'],
  );
  assert.deepEqual(await second, answers);
  assert.deepEqual(await daemon.sendTo(['aa', 'bb']), answers);
  assert.equal(simulator.requests.length, 2);
  const { counts, feedback } = (await appsOf(daemon.host))[0] ?? {};
  assert.deepEqual(counts, { accepted: 1, rejected: 1, failed: 0, attempts: 2 });
  assert.equal(feedback?.waiting, 1);
});

test('a member that is not settled after two seconds is pending and holds up no other, and who asks again joins it', async () => {
  await using daemon = await startDaemon();
  const { simulator } = daemon;
  const release = simulator.hold({ token: 'aa', when: 'after' });
  const first = await daemon.sendTo(['aa', 'bb'], 20_000);
  assert.deepEqual(first[0], { status: 'pending', id: idOf(0) });
  assert.equal(first[1]?.status, 'accepted');
  const second = daemon.sendTo(['aa', 'bb'], 20_000);
  await call(daemon.host, 'apnsd.status');
  release();
  assert.deepEqual(
    (await second).map(({ status }) => status),
    ['accepted', 'accepted'],
  );
  assert.equal(simulator.requests.length, 2);
});

test('what is pending when the daemon stops is finished first, and a call under way waits for its answer', async () => {
  await using simulator = await createSimulator();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
  });
  const { key, keyId, teamId, topic } = simulator.key;
  const app = { appId: 'a', environment: 'sandbox', key, keyId, teamId, topic };
  await call(daemon.url, 'apnsd.provision', app);
  simulator.delay(3000, { when: 'after' });
  const answers = send(daemon.url, 'a', [{ payload, to: [['aa', idOf(0)]] }], 20_000);
  await simulator.until(() => simulator.requests.length === 1);
  await daemon.close();
  assert.equal((await answers)[0]?.status, 'accepted');
});

test('the same id and token with another payload are refused, with another token they are another notification', async () => {
  await using daemon = await startDaemon();
  await daemon.sendTo(['aa']);
  const other = { aps: { alert: 'Other' } };
  const [refused, sent] = await daemon.sendAll([
    { payload: other, to: [['aa', idOf(0)]] },
    { payload: other, to: [['bb', idOf(0)]] },
  ]);
  failed([refused as SendAnswer], 'INVALID_ARGUMENT', /^id .*0 was used for another payload/);
  assert.equal(sent?.status, 'accepted');
});

test('what failed is not remembered: a repeat is sent', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 404, reason: 'BadPath' });
  assert.equal((await daemon.sendTo(['aa']))[0]?.status, 'failed');
  assert.equal((await daemon.sendTo(['aa']))[0]?.status, 'accepted');
});

test('the daemon remembers as many answers as it was told to, and tells how many it had to forget', async () => {
  await using simulator = await createSimulator();
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
    remember: 1,
  });
  const { key, keyId, teamId, topic } = simulator.key;
  const app = { appId: 'a', environment: 'sandbox', key, keyId, teamId, topic };
  await call(daemon.url, 'apnsd.provision', app);
  for (const number of [0, 1, 1, 0]) {
    await send(daemon.url, 'a', [{ payload, to: [['aa', idOf(number)]] }]);
  }
  assert.deepEqual(
    simulator.accepted.map(({ id }) => id),
    [0, 1, 0].map(idOf),
  );
  const { answers } = (await call(daemon.url, 'apnsd.status')) as { answers: object };
  assert.deepEqual(answers, { underWay: 0, kept: 1, failed: 0, forgotten: 2 });
});

test('every character that JSON has arrives, also those that XML has not', async () => {
  await using daemon = await startDaemon();
  const text = 'é👩‍👩‍👧\n\r<&]]>]]>\0\u001f\ufffe\uffff\ud800"\\';
  const json = JSON.stringify({ aps: { alert: text } })
    .replaceAll('\ufffe', '\\ufffe')
    .replaceAll('\uffff', '\\uffff')
    .replaceAll(']]>', ']]\\u003e');
  const request = `{"timeoutMs":5000,"notifications":[{"payload":${json},"to":[["aa","${idOf(0)}"]]}]}`;
  const answer = JSON.parse(String(await call(daemon.host, 'apnsd.send', daemon.appId, request)));
  assert.equal(answer[0]?.status, 'accepted', JSON.stringify(answer));
  assert.deepEqual(daemon.simulator.accepted[0]?.payload, { aps: { alert: text } });
});

test('a notification may have less time than its call', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.hold({ times: 1, token: 'aa' });
  const [late, soon] = await daemon.sendAll([
    { payload, timeoutMs: 300, to: [['aa', idOf(0)]] },
    { payload, to: [['bb', idOf(1)]] },
  ]);
  failed([late as SendAnswer], 'APNS_UNAVAILABLE', /by the deadline/);
  assert.equal(soon?.status, 'accepted');
});

test('a request that can not be read is fault 400, and nothing is sent', async () => {
  await using daemon = await startDaemon();
  const good = { payload, to: [['aa', idOf(0)]] };
  const noJson = 'request is not JSON, expected { timeoutMs, notifications }';
  const milliseconds = 'expected milliseconds up to 600000';
  const timeout = (timeoutMs: unknown) => JSON.stringify({ timeoutMs, notifications: [good] });
  const pairs = 'expected a list of [token, id]';
  const to = (to: unknown) =>
    JSON.stringify({ timeoutMs: 1000, notifications: [good, { payload, to }] });
  const cases: [request: unknown, faultString: string][] = [
    [{ a: 1 }, 'request is a struct, expected a string'],
    ['', noJson],
    ['{"timeoutMs":', noJson],
    ['null', `timeoutMs is missing, ${milliseconds}`],
    [timeout(undefined), `timeoutMs is missing, ${milliseconds}`],
    [timeout(null), `timeoutMs is nil, ${milliseconds}`],
    [timeout(0), `timeoutMs is 0, ${milliseconds}`],
    [timeout(600_001), `timeoutMs is 600001, ${milliseconds}`],
    [timeout('5000'), `timeoutMs is "5000", ${milliseconds}`],
    ['{"timeoutMs":1,"brief":1,"notifications":[]}', 'brief is 1, expected true or false'],
    [timeout([5000]), `timeoutMs is a list, ${milliseconds}`],
    ['{"timeoutMs":1,"notifications":{}}', 'notifications is a struct, expected a list'],
    [to(undefined), `notifications[1].to is missing, ${pairs}`],
    [to('aa'), `notifications[1].to is "aa", ${pairs}`],
    [to([]), 'notifications[1].to is empty, expected at least one [token, id]'],
    [to(['aa', idOf(0)]), `notifications[1].to is a list, ${pairs}`],
    [to([{ token: 'aa' }]), `notifications[1].to is a list, ${pairs}`],
  ];
  for (const [request, faultString] of cases) {
    await assert.rejects(call(daemon.host, 'apnsd.send', daemon.appId, request), {
      faultCode: 400,
      faultString,
    });
  }
  assert.deepEqual(daemon.simulator.requests, []);
});

test('more receivers than are worked at in one go are fault 400, and nothing is sent', async () => {
  await using daemon = await startDaemon();
  const to = Array.from({ length: 10_001 }, (_, i): [string, string] => ['aa', idOf(i)]);
  await assert.rejects(
    daemon.sendAll([
      { payload, to },
      { payload, to: to.slice(1) },
      { payload: [] as never, to: [['bb', '']] },
    ]),
    {
      faultCode: 400,
      faultString: 'there are 20002 receivers, expected at most 20000 in one call',
    },
  );
  assert.deepEqual(daemon.simulator.requests, []);
});

test('an app that is not there is fault 404, and 428 where there is none at all', async () => {
  await using none = await createDaemon({ listen: '127.0.0.1:0' });
  const faultString = 'app "com.example.app" is not provisioned, nor is any other';
  await assert.rejects(send(none.url, 'com.example.app', []), { faultCode: 428, faultString });
  await using daemon = await startDaemon();
  await assert.rejects(send(daemon.host, 'other', []), {
    faultCode: 404,
    faultString: 'app "other" is not provisioned',
  });
});
