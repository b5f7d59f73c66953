/** Apple's answers on the whole way: what an app gets for each, and what Apple saw of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { ApnsdError } from '../../src/errors.js';
import { createClient } from '../../src/index.js';
import { createSimulator } from '../../src/testing/index.js';

/** What Apple answers first; the next request it accepts. */
const reactions: [
  status: number,
  reasons: string[],
  gets: string,
  requests: number,
  connections: number,
][] = [
  [
    400,
    [
      'BadCollapseId',
      'BadDeviceToken',
      'BadExpirationDate',
      'BadMessageId',
      'BadPriority',
      'BadTopic',
      'DeviceTokenNotForTopic',
      'DuplicateHeaders',
      'InvalidPushType',
      'MissingDeviceToken',
      'MissingTopic',
      'PayloadEmpty',
      'TopicDisallowed',
      'SomethingNew',
    ],
    'rejected',
    1,
    1,
  ],
  [400, ['IdleTimeout'], 'accepted', 2, 2],
  [
    403,
    [
      'BadCertificate',
      'BadCertificateEnvironment',
      'BadEnvironmentKeyInToken',
      'Forbidden',
      'InvalidProviderToken',
      'MissingProviderToken',
      'SomethingNew',
      // As the token was signed in this very minute.
      'ExpiredProviderToken',
    ],
    'CREDENTIALS',
    1,
    1,
  ],
  [403, ['UnrelatedKeyIdInToken'], 'accepted', 2, 2],
  [404, ['BadPath'], 'INVALID_ARGUMENT', 1, 1],
  [405, ['MethodNotAllowed'], 'INVALID_ARGUMENT', 1, 1],
  [410, ['Unregistered', 'ExpiredToken'], 'rejected, the token is dead', 1, 1],
  [410, ['SomethingNew'], 'rejected', 1, 1],
  [413, ['PayloadTooLarge'], 'rejected', 1, 1],
  [429, ['TooManyProviderTokenUpdates', 'TooManyRequests'], 'accepted', 2, 1],
  [500, ['InternalServerError'], 'accepted', 2, 2],
  [503, ['ServiceUnavailable'], 'accepted', 2, 1],
  [503, ['Shutdown'], 'accepted', 2, 2],
  [502, ['SomethingNew'], 'accepted', 2, 1],
];

const simulator = await createSimulator();
const { key, keyId, teamId, topic } = simulator.key;
const credentials = { key, keyId, teamId, topic, environment: simulator.environment };
const daemon = await createDaemon({
  listen: '127.0.0.1:0',
  gateways: { sandbox: simulator.url },
  ca: simulator.ca,
});
/** Each answer has an app, and so connections, of its own; their key is one. */
const answers = reactions.flatMap(([status, reasons, ...reaction]) =>
  reasons.map((reason) => [`${status} ${reason}`, { status, reason }, ...reaction] as const),
);
const client = createClient({
  host: daemon.url,
  initial: answers.map(([appId]) => ({ ...credentials, appId })),
  defaultAppId: '503 Shutdown',
});
after(async () => {
  await client.close();
  await daemon.close();
  await simulator.close();
});

async function notify(appId: string): Promise<string> {
  try {
    const receipt = await client.notify('aa11', 'Hello', null, null, { appId });
    assert.equal(receipt.attempts, 1);
    if (receipt.status !== 'rejected') return receipt.status;
    return receipt.tokenIsDead ? 'rejected, the token is dead' : 'rejected';
  } catch (error) {
    assert.ok(error instanceof ApnsdError);
    return error.code;
  }
}

test("each of Apple's answers has its reaction, and none of them a second signature", async (t) => {
  for (const [appId, answer, gets, requests, connections] of answers) {
    await t.test(`${appId}: ${gets}`, async () => {
      const before = simulator.requests.length;
      simulator.answer(answer);
      assert.equal(await notify(appId), gets);
      const seen = simulator.requests.slice(before);
      assert.equal(seen.length, requests);
      assert.equal(new Set(seen.map(({ connection }) => connection)).size, connections);
      assert.equal(new Set(seen.map(({ id }) => id)).size, 1);
    });
  }
  const signatures = new Set(simulator.requests.map(({ headers }) => headers.authorization));
  assert.equal(signatures.size, 1);
});

test("Apple's last word is never repeated, whatever came before it", async (t) => {
  for (const [appId, answer, gets] of answers.filter(([, , gets]) => gets !== 'accepted')) {
    await t.test(appId, async () => {
      const before = simulator.requests.length;
      simulator.answer({ status: 503, reason: 'ServiceUnavailable' });
      simulator.answer(answer);
      assert.equal(await notify(appId), gets);
      const seen = simulator.requests.slice(before).map(({ status }) => status);
      assert.deepEqual(seen, [503, answer.status]);
    });
  }
});

test('a receipt says what Apple said', async () => {
  const token = 'bb22';
  const at = new Date(1_700_000_000_123);
  simulator.unregister(token, { at });
  const { id, ...dead } = await client.notify(token, 'Hello');
  assert.equal(id, simulator.requests.at(-1)?.id);
  assert.deepEqual(dead, {
    status: 'rejected',
    token,
    attempts: 1,
    reason: 'Unregistered',
    httpStatus: 410,
    tokenIsDead: true,
    unregisteredAt: at,
  });
  const fine = await client.notify('aa11', 'Hello');
  assert.ok(fine.status === 'accepted');
  assert.match(fine.uniqueId ?? '', /^[0-9a-f-]{36}$/);
});

test("refused credentials throw Apple's reason", async () => {
  simulator.answer({ status: 403, reason: 'InvalidProviderToken' });
  await assert.rejects(client.notify('aa11', 'Hello'), {
    name: 'CredentialsError',
    message: 'Apple answered 403 InvalidProviderToken',
  });
});
