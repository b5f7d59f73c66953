import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createClient,
  ExpiredError,
  InvalidArgumentError,
  type Notification,
  type PushType,
} from '../../src/index.js';
import { startTestDaemon } from '../../src/testing/index.js';
import { call, send } from '../support/calling.js';
import { goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';

const token = 'ab'.repeat(32);
const topic = 'com.example.app';
const payload = { aps: { alert: 'Hello' } };
const timestamp = 4_102_444_800;

/** A client with a provider token, for which no push type is barred, and what Apple saw of its notifications. */
async function startClient() {
  const daemon = await startTestDaemon();
  const { key, keyId, teamId } = daemon.simulator.key;
  const app = { appId: 'A', environment: 'sandbox', key, keyId, teamId, topic } as const;
  const client = createClient({ host: daemon.host, initial: [app] });
  /** The `apns-` headers by their names without it, but for the id. */
  const headersOf = async (notification: Notification) => {
    const receipt = await client.notify(token, notification);
    const request = daemon.simulator.requests.at(-1);
    assert.equal(receipt.status, 'accepted', request?.reason ?? '');
    const { 'apns-id': id, ...headers } = request?.headers ?? {};
    assert.equal(id, receipt.id);
    const ours = Object.entries(headers).filter(([name]) => name.startsWith('apns-'));
    return Object.fromEntries(
      ours.map(([name, value]) => [
        name.slice('apns-'.length),
        value === id ? 'the apns-id' : value,
      ]),
    );
  };
  const close = async () => {
    await client.close();
    await daemon.close();
  };
  const { host, simulator } = daemon;
  return { host, simulator, client, headersOf, [Symbol.asyncDispose]: close };
}

const each: { [T in PushType]: [notification: Notification, suffix: string] } = {
  alert: [{ pushType: 'alert', payload }, ''],
  background: [{ pushType: 'background', payload: { aps: { 'content-available': 1 } } }, ''],
  complication: [{ pushType: 'complication', payload: {} }, '.complication'],
  controls: [
    { pushType: 'controls', payload: { aps: { 'content-changed': true } } },
    '.push-type.controls',
  ],
  fileprovider: [{ pushType: 'fileprovider', payload: {} }, '.pushkit.fileprovider'],
  liveactivity: [
    { pushType: 'liveactivity', payload: { aps: { event: 'end', timestamp } } },
    '.push-type.liveactivity',
  ],
  location: [{ pushType: 'location', payload: {} }, '.location-query'],
  mdm: [{ pushType: 'mdm', payload: { mdm: 'magic' } }, ''],
  pushtotalk: [{ pushType: 'pushtotalk', payload: {} }, '.voip-ptt'],
  voip: [{ pushType: 'voip', payload: { filler: 'x'.repeat(5000) } }, '.voip'],
  widgets: [
    { pushType: 'widgets', payload: { aps: { 'content-changed': true } } },
    '.push-type.widgets',
  ],
};

test("each push type goes out with its topic suffix, and only an alert with a header that its author didn't name", async () => {
  await using it = await startClient();
  for (const [pushType, [notification, suffix]] of Object.entries(each)) {
    assert.deepEqual(await it.headersOf(notification), {
      topic: topic + suffix,
      'push-type': pushType,
      ...(pushType === 'alert' && { 'collapse-id': 'the apns-id' }),
      ...(pushType === 'background' && { priority: '5' }),
    });
    assert.deepEqual(it.simulator.requests.at(-1)?.payload, notification.payload);
  }
});

test('each header is what its author said, and 0, null and nothing are told apart', async () => {
  await using it = await startClient();
  const plain = { topic, 'push-type': 'alert', 'collapse-id': 'the apns-id' };
  const cases: [beside: Partial<Notification>, headers: Record<string, string | undefined>][] = [
    [{}, {}],
    [{ priority: 10 }, { priority: '10' }],
    [{ priority: 5 }, { priority: '5' }],
    [{ priority: 1 }, { priority: '1' }],
    [{ expiration: 0 }, { expiration: '0' }],
    [{ expiration: new Date('2100-01-01T00:00:00.999Z') }, { expiration: '4102444800' }],
    [{ collapseId: null }, { 'collapse-id': undefined }],
    [{ collapseId: 'score' }, { 'collapse-id': 'score' }],
    [{ collapseId: '0' }, { 'collapse-id': '0' }],
    [
      { topic: `${topic}.voip`, pushType: 'voip' },
      { topic: `${topic}.voip`, 'push-type': 'voip', 'collapse-id': undefined },
    ],
  ];
  for (const [beside, headers] of cases) {
    const notification = { payload, ...beside } as Notification;
    const expected = Object.entries({ ...plain, ...headers }).filter(([, value]) => value);
    assert.deepEqual(await it.headersOf(notification), Object.fromEntries(expected));
  }
});

test('a collapse id may be 64 bytes of any letters, and arrives as UTF-8', async () => {
  await using it = await startClient();
  for (const collapseId of ['c'.repeat(64), 'Tor für Köln 👋', 'é'.repeat(32)]) {
    const headers = await it.headersOf({ payload, collapseId });
    assert.equal(Buffer.from(headers['collapse-id'] ?? '', 'latin1').toString(), collapseId);
  }
});

test("no collapse id, ever, is the author's word that reaches the daemon", async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = createClient({ host: daemon.url, defaultAppId: 'A' });
  for (const beside of [{}, { collapseId: null }, { collapseId: 'score' }]) {
    await client.notify(token, { payload, ...beside });
    const [written] = JSON.parse(String(daemon.calls.at(-1)?.params[1])).notifications;
    const { payload: _, pushType, to, ...rest } = written;
    assert.deepEqual(rest, beside);
  }
});

test('with collapseRepeats false only an author gives a collapse id', async () => {
  await using daemon = await startTestDaemon();
  await using client = createClient({
    host: daemon.host,
    initial: daemon.initial,
    collapseRepeats: false,
  });
  await client.notify(token, 'Hello');
  await client.notify(token, { payload, collapseId: 'score' });
  assert.deepEqual(
    daemon.simulator.accepted.map(({ headers }) => headers['apns-collapse-id']),
    [undefined, 'score'],
  );
});

test('an MDM push goes to the topic of its certificate', async () => {
  const topic = 'com.apple.mgmt.External.01234567-89ab-cdef-0123-456789abcdef';
  await using daemon = await startTestDaemon({ simulator: { topics: [topic] } });
  await using client = createClient({ host: daemon.host, initial: daemon.initial });
  await client.notify(token, { pushType: 'mdm', payload: { mdm: 'magic' } });
  const [request] = daemon.simulator.accepted;
  assert.equal(request?.headers['apns-topic'], topic);
  assert.equal(request?.headers['apns-push-type'], 'mdm');
  assert.deepEqual(request?.payload, { mdm: 'magic' });
});

test("an .apns file of Apple's simulator is sent as it is, to the app's topic", async () => {
  await using it = await startClient();
  const files = [
    '{"Simulator Target Bundle":"com.example.debug","aps":{"alert":{"title":"Hi"},"badge":1},"id":7}',
    '{"aps":{"content-available":1},"Simulator Target Bundle":"com.example.debug"}',
  ];
  const seen = [];
  for (const file of files) {
    const headers = await it.headersOf({ payload: JSON.parse(file) });
    seen.push([headers['push-type'], headers.topic, it.simulator.accepted.at(-1)?.payload]);
  }
  assert.deepEqual(seen, [
    ['alert', topic, { aps: { alert: { title: 'Hi' }, badge: 1 }, id: 7 }],
    ['background', topic, { aps: { 'content-available': 1 } }],
  ]);
});

test('one error tells all that is wrong with a call, in both forms, and nothing is sent', async () => {
  await using it = await startClient();
  const wrong = { payload: { at: new Date(Number.NaN) }, priority: 7, id: 'first' };
  await assert.rejects(it.client.notify('abc', wrong as never), (error: Error) => {
    assert.ok(error instanceof InvalidArgumentError);
    const subjects = error.message.split('; ').map((reason) => reason.split(' is ')[0]);
    assert.deepEqual(subjects, ['token …abc', 'id', 'payload.at', 'priority']);
    return true;
  });
  await assert.rejects(it.client.notify('abc', 'Hello', '3' as never, 4 as never), {
    code: 'INVALID_ARGUMENT',
    message:
      "badge is string 3, expected 0 or a count; sound is number, expected a sound's name; token …abc is 3 characters long, expected pairs of hex digits",
  });
  for (const odd of [Object.create(null), Symbol('badge'), [1], 1.5]) {
    await assert.rejects(it.client.notify('aa', 'Hello', odd), { code: 'INVALID_ARGUMENT' });
    const options = { deadlineMs: odd === 1.5 ? 0 : odd };
    await assert.rejects(it.client.notify('aa', 'Hello', 1, null, options), {
      code: 'INVALID_ARGUMENT',
      message: /^deadlineMs is .*, expected milliseconds/,
    });
  }
  assert.deepEqual(it.simulator.requests, []);
});

test('an expiration that has passed ends the call before anything is sent', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = createClient({ host: daemon.url, defaultAppId: 'A' });
  const expiration = new Date(Date.now() - 1);
  await assert.rejects(client.notify(token, { payload, expiration }), ExpiredError);
  assert.deepEqual(daemon.calls, []);
});

test('an expiration that passes while the daemon is away ends the call at its next attempt', async () => {
  await using daemon = await scriptedDaemon((call, response) => {
    if (call.method !== 'apnsd.send') return goodDaemon(call, response);
    response.destroy();
    return undefined;
  });
  await using client = createClient({
    host: daemon.url,
    defaultAppId: 'A',
    retry: { firstDelayMs: 20, maxDelayMs: 20 },
  });
  const expiration = new Date(Date.now() + 1000);
  await assert.rejects(client.notify(token, { payload, expiration }), ExpiredError);
  assert.ok(Date.now() >= expiration.getTime());
  const sent = daemon.methods().filter((method) => method === 'apnsd.send').length;
  assert.ok(sent >= 2, `${sent}`);
});

test('an expiration that passes while Apple is busy ends the repeats, and the client is told', async () => {
  await using it = await startClient();
  await it.client.provision();
  it.simulator.answer({ status: 503, headers: { 'retry-after': '1' } });
  const expiration = new Date(Date.now() + 900);
  await assert.rejects(it.client.notify(token, { payload, expiration }), ExpiredError);
  it.simulator.answer({ status: 503, headers: { 'retry-after': '1' } });
  const [answer] = await send(it.host, 'A', [
    { payload, expiration: Date.now() / 1000 + 0.9, to: [[token, crypto.randomUUID()]] },
  ]);
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'EXPIRED');
  assert.deepEqual(
    it.simulator.requests.map(({ status }) => status),
    [503, 503],
  );
});

test('0 has no time to pass: busy Apple is asked again', async () => {
  await using it = await startClient();
  it.simulator.answer({ status: 503 }, { times: 2 });
  assert.equal((await it.client.notify(token, { payload, expiration: 0 })).status, 'accepted');
  assert.deepEqual(
    it.simulator.requests.map(({ headers }) => headers['apns-expiration']),
    ['0', '0', '0'],
  );
});

test('a daemon that reads an expiration that has passed fails that notification with EXPIRED, and no other', async () => {
  await using daemon = await startTestDaemon();
  await call(daemon.host, 'apnsd.provision', daemon.initial[0]);
  const id = crypto.randomUUID();
  const [late, neighbour] = await send(daemon.host, topic, [
    { payload, expiration: 1_700_000_000, to: [['aa', id]] },
    { payload, expiration: 4_102_444_800.5, to: [['bb', id]] },
  ]);
  assert.deepEqual(late, {
    status: 'failed',
    id,
    code: 'EXPIRED',
    message: 'expiration is 2023-11-14T22:13:20.000Z, expected a time that has not passed',
  });
  assert.equal(neighbour?.status, 'accepted');
  assert.deepEqual(
    daemon.simulator.requests.map(({ headers }) => headers['apns-expiration']),
    ['4102444800'],
  );
});

test('location is for provider tokens only: a certificate is refused by Apple', async () => {
  await using daemon = await startTestDaemon();
  await using client = createClient({ host: daemon.host, initial: daemon.initial });
  const receipt = await client.notify(token, { pushType: 'location', payload: {} });
  assert.ok(receipt.status === 'rejected');
  assert.equal(receipt.reason, 'TopicDisallowed');
});
