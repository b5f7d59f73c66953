import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSimulator } from '../../src/testing/index.js';
import { bearer, deviceToken, type Push, payload, withCertificate, withToken } from './provider.js';

const app = 'com.example.app';
const id = '11111111-2222-4333-8444-555555555555';
const json = (bytes: number) => `{"a":"${'x'.repeat(bytes - 8)}"}`;
const h = (headers: Push['headers'] = {}): Push => ({ headers });

/** What follows the bundle id in apns-topic, by push type. */
const suffixes = {
  alert: '',
  background: '',
  complication: '.complication',
  controls: '.push-type.controls',
  fileprovider: '.pushkit.fileprovider',
  liveactivity: '.push-type.liveactivity',
  location: '.location-query',
  mdm: '',
  pushtotalk: '.voip-ptt',
  voip: '.voip',
  widgets: '.push-type.widgets',
};

/** Each with token credentials for com.example.app; what is not named is right. */
const table: [name: string, push: Push, status: number, reason?: string][] = [
  ['a plain alert', {}, 200],
  ['GET', { method: 'GET' }, 405, 'MethodNotAllowed'],
  ['PUT', { method: 'PUT' }, 405, 'MethodNotAllowed'],
  ['another path', { path: '/4/device/ab' }, 404, 'BadPath'],
  ['more path', { path: `/3/device/${deviceToken}/x` }, 404, 'BadPath'],
  ['a query', { path: `/3/device/${deviceToken}?x=1` }, 404, 'BadPath'],

  ['a repeated apns-priority', h({ 'apns-priority': ['10', '5'] }), 400, 'DuplicateHeaders'],

  ['no authorization', h({ authorization: '' }), 403, 'MissingProviderToken'],
  ['another scheme', h({ authorization: 'basic YTpi' }), 403, 'InvalidProviderToken'],
  ['no JWT', h({ authorization: 'bearer a.b' }), 403, 'InvalidProviderToken'],
  ['a JWT of rubbish', h({ authorization: 'bearer a.b.c' }), 403, 'InvalidProviderToken'],

  ['a UUID', h({ 'apns-id': id }), 200],
  ['a UUID in capitals', h({ 'apns-id': id.toUpperCase() }), 200],
  ['a UUID without dashes', h({ 'apns-id': id.replaceAll('-', '') }), 400, 'BadMessageId'],
  ['a UUID in braces', h({ 'apns-id': `{${id}}` }), 400, 'BadMessageId'],
  ['an empty apns-id', h({ 'apns-id': '' }), 400, 'BadMessageId'],

  ['expiration 0', h({ 'apns-expiration': '0' }), 200],
  ['an expiration in seconds', h({ 'apns-expiration': '1893456000' }), 200],
  ['a negative expiration', h({ 'apns-expiration': '-1' }), 400, 'BadExpirationDate'],
  ['a fractional expiration', h({ 'apns-expiration': '1.5' }), 400, 'BadExpirationDate'],
  ['an expiration in words', h({ 'apns-expiration': 'tomorrow' }), 400, 'BadExpirationDate'],

  ['priority 10', h({ 'apns-priority': '10' }), 200],
  ['priority 5', h({ 'apns-priority': '5' }), 200],
  ['priority 1', h({ 'apns-priority': '1' }), 200],
  ['priority 7', h({ 'apns-priority': '7' }), 400, 'BadPriority'],
  ['priority high', h({ 'apns-priority': 'high' }), 400, 'BadPriority'],
  ['background at the default', h({ 'apns-push-type': 'background' }), 400, 'BadPriority'],

  ['an unknown push type', h({ 'apns-push-type': 'shout' }), 400, 'InvalidPushType'],
  ['a push type in capitals', h({ 'apns-push-type': 'Alert' }), 400, 'InvalidPushType'],

  ['no topic', h({ 'apns-topic': '' }), 400, 'MissingTopic'],
  ['a topic that is no bundle id', h({ 'apns-topic': 'com example' }), 400, 'BadTopic'],
  ["another's topic", h({ 'apns-topic': 'com.example.other' }), 400, 'TopicDisallowed'],
  ...Object.entries(suffixes).flatMap(([type, suffix]): typeof table => {
    const to = (topic: string, priority = '5'): Push['headers'] => ({
      'apns-push-type': type,
      'apns-topic': topic,
      'apns-priority': priority,
    });
    const max = type === 'voip' ? 5120 : 4096;
    const loud = type === 'background' ? ([400, 'BadPriority'] as const) : ([200] as const);
    const plain = suffix === '' ? ([200] as const) : ([400, 'TopicDisallowed'] as const);
    return [
      [`${type} to its topic`, h(to(app + suffix)), 200],
      [`${type} to the bundle id`, h(to(app)), ...plain],
      [`${type} to another suffix`, h(to(`${app}.other`)), 400, 'TopicDisallowed'],
      [`${type} at priority 10`, h(to(app + suffix, '10')), ...loud],
      [`${type} at priority 1`, h(to(app + suffix, '1')), ...loud],
      [`${type} at priority 0`, h(to(app + suffix, '0')), 400, 'BadPriority'],
      [`${type} of ${max} bytes`, { ...h(to(app + suffix)), body: json(max) }, 200],
      [
        `${type} of ${max + 1} bytes`,
        { ...h(to(app + suffix)), body: json(max + 1) },
        413,
        'PayloadTooLarge',
      ],
    ];
  }),

  ['a collapse id of 64 bytes', h({ 'apns-collapse-id': 'c'.repeat(64) }), 200],
  ['one of 65 bytes', h({ 'apns-collapse-id': 'c'.repeat(65) }), 400, 'BadCollapseId'],
  [
    'one of 33 letters and 66 bytes',
    h({ 'apns-collapse-id': Buffer.from('ä'.repeat(33)).toString('latin1') }),
    400,
    'BadCollapseId',
  ],

  ['no token', { token: '' }, 400, 'MissingDeviceToken'],
  ['no token and no slash', { path: '/3/device' }, 400, 'MissingDeviceToken'],
  ['a token that is not hex', { token: 'xyz1' }, 400, 'BadDeviceToken'],
  ['an odd token', { token: 'abc' }, 400, 'BadDeviceToken'],
  ['a token in capitals', { token: deviceToken.toUpperCase() }, 200],
  ['a token of 100 bytes', { token: 'cd'.repeat(100) }, 200],

  ['an empty payload', { body: '' }, 400, 'PayloadEmpty'],
  ['a million bytes', { body: json(1_000_000) }, 413, 'PayloadTooLarge'],
  ['no JSON', { body: '{"aps":' }, 400, 'BadPayload'],
  ['a JSON list', { body: '[]' }, 400, 'BadPayload'],
  ['JSON null', { body: 'null' }, 400, 'BadPayload'],
];

test("each request gets Apple's status and reason", async (t) => {
  await using simulator = await createSimulator();
  const authorization = bearer(simulator.key);
  for (const [name, push, status, reason] of table) {
    await t.test(`${name}: ${status} ${reason ?? ''}`, async () => {
      await using provider = await withToken(simulator, authorization);
      const reply = await provider.push(push);
      assert.deepEqual([reply.status, reply.reason], [status, reason]);
      const sent = push.headers?.['apns-id'];
      if (sent) assert.equal(reply.headers['apns-id'], sent);
      else assert.match(String(reply.headers['apns-id']), /^[0-9a-f-]{36}$/);
      assert.equal(simulator.requests.at(-1)?.status, status);
      assert.equal(simulator.requests.at(-1)?.reason, reason ?? null);
    });
  }
});

test('the checks come in order: of many faults the first is told', async () => {
  await using simulator = await createSimulator();
  const wrong = {
    path: '/nowhere',
    token: 'odd',
    body: '',
    headers: {
      authorization: 'basic',
      'apns-id': 'x',
      'apns-expiration': 'x',
      'apns-priority': 'x',
      'apns-push-type': 'x',
      'apns-topic': '',
      'apns-collapse-id': 'c'.repeat(65),
    },
  };
  const { path: _, ...rightPath } = wrong;
  const mend = (headers: Push['headers']) => ({
    ...rightPath,
    headers: { ...rightPath.headers, ...headers },
  });
  const steps: [Push, string | undefined][] = [];
  let headers: Push['headers'] = {};
  const step = (more: Push['headers'], reason: string) => {
    headers = { ...headers, ...more };
    steps.push([mend(headers), reason]);
  };
  steps.push([{ ...wrong, method: 'PUT' }, 'MethodNotAllowed'], [wrong, 'BadPath']);
  step({}, 'InvalidProviderToken');
  step({ authorization: bearer(simulator.key) }, 'BadMessageId');
  step({ 'apns-id': id }, 'BadExpirationDate');
  step({ 'apns-expiration': '0' }, 'BadPriority');
  step({ 'apns-priority': '10' }, 'InvalidPushType');
  step({ 'apns-push-type': 'alert' }, 'MissingTopic');
  step({ 'apns-topic': app }, 'BadCollapseId');
  step({ 'apns-collapse-id': 'c' }, 'BadDeviceToken');
  steps.push([{ ...mend(headers), token: deviceToken }, 'PayloadEmpty']);
  steps.push([{ ...mend(headers), token: deviceToken, body: '{}' }, undefined]);

  await using provider = await withToken(simulator);
  for (const [push, reason] of steps) assert.equal((await provider.push(push)).reason, reason);
});

test('a missing push type is taken, with any legal topic', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator, undefined, {});
  assert.equal((await provider.push()).status, 200);
  assert.equal((await provider.push(h({ 'apns-topic': `${app}.voip` }))).status, 200);
  assert.equal((await provider.push(h({ 'apns-topic': `${app}.x` }))).reason, 'TopicDisallowed');
  assert.equal(simulator.accepted[0]?.headers['apns-push-type'], undefined);
});

test('apns-id comes back as it was sent, and is recorded in lower case', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const mixed = 'ABCDEFab-2222-4333-8444-55555555555F';
  const named = await provider.push(h({ 'apns-id': mixed }));
  assert.equal(named.headers['apns-id'], mixed);
  const refused = await provider.push({ ...h({ 'apns-id': mixed }), token: 'odd' });
  assert.equal(refused.headers['apns-id'], mixed);
  for (const { id } of simulator.requests) assert.equal(id, mixed.toLowerCase());
});

test('an apns-id that Apple would refuse comes back too, in any bytes', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  for (const bad of ['order 7', '\u00c3\u00a4 \u00ff', `${id}, ${id}`]) {
    const { reason, headers } = await provider.push(h({ 'apns-id': bad }));
    assert.deepEqual([reason, headers['apns-id']], ['BadMessageId', bad]);
  }
});

test('an apns-id is made up where there is none', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const { headers } = await provider.push();
  assert.match(String(headers['apns-id']), /^[0-9a-f]{8}-/);
  assert.equal(simulator.requests[0]?.id, headers['apns-id']);
});

test('apns-unique-id is for accepted pushes of the sandbox only', async () => {
  await using sandbox = await createSimulator();
  await using production = await createSimulator({ environment: 'production' });
  await using one = await withCertificate(sandbox);
  await using two = await withCertificate(production);
  assert.ok((await one.push()).headers['apns-unique-id']);
  assert.equal((await one.push({ token: 'x' })).headers['apns-unique-id'], undefined);
  assert.equal((await two.push()).headers['apns-unique-id'], undefined);
});

test('a payload arrives as it was sent, byte for byte', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const emoji = { ...payload, text: '🎉 <&]]> \u2028' };
  await provider.push({ body: JSON.stringify(emoji) });
  assert.deepEqual(simulator.accepted[0]?.payload, emoji);
});
