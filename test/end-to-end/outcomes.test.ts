/** Apple's answers on the whole way: what an app gets for each, and what Apple saw of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { ApnsdError, ApnsUnavailableError, DeadlineError } from '../../src/errors.js';
import { createClient } from '../../src/index.js';
import { createSimulator } from '../../src/testing/index.js';
import { freePort } from '../support/scripted-daemon.js';

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

/** What `client.notify` throws at its deadline, where the daemon has this gateway. */
async function whyNot(gateway: string, deadlineMs: number): Promise<Error> {
  await using away = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gateway },
    log: () => {},
  });
  const initial = [{ ...credentials, appId: 'a' }];
  await using impatient = createClient({ host: away.url, initial, deadlineMs });
  return await impatient.notify('aa11', 'Hello').then(
    () => assert.fail('it was accepted'),
    (error) => error,
  );
}

test('an Apple that can not be reached: the error says why, in words', async () => {
  const port = await freePort();
  // Longer than a name may be: no resolver is asked.
  const name = `${'x'.repeat(64)}.invalid`;
  const cases: [gateway: string, says: RegExp][] = [
    [`https://127.0.0.1:${port}`, new RegExp(`gateway 127.0.0.1:${port}: .*ECONNREFUSED`)],
    [`https://${name}`, new RegExp(`gateway ${name}: getaddrinfo E[A-Z_]+ ${name}`)],
  ];
  // One that ends with the daemon's answer, and one while it is pending.
  const waits = cases.flatMap((one) => [1500, 3500].map((deadlineMs) => [...one, deadlineMs]));
  await Promise.all(
    (waits as [string, RegExp, number][]).map(async ([gateway, says, deadlineMs]) => {
      const error = await whyNot(gateway, deadlineMs);
      assert.ok(error instanceof DeadlineError);
      assert.match(error.message, /^no success within \d+ ms: no answer from APNs: /);
      assert.match(error.message, says);
      assert.ok(error.cause instanceof ApnsUnavailableError);
      assert.match(error.cause.message, says);
    }),
  );
});

test("who gives up while Apple makes it wait has Apple's reason, and Apple was asked when it said", async () => {
  // The pause of a 503 is its app's: each has its own.
  const cases: [appId: string, status: number, seconds: string, most: number][] = [
    ['400 BadTopic', 429, '60', 1],
    ['400 BadPriority', 429, '2', 3],
    ['400 BadMessageId', 503, '60', 1],
    ['400 BadCollapseId', 503, '2', 3],
  ];
  await Promise.all(
    cases.map(async ([appId, status, seconds, most], i) => {
      const token = `cc0${i}`;
      const answer = { status, reason: 'SomeReason', headers: { 'retry-after': seconds } };
      simulator.answer(answer, { times: Number.POSITIVE_INFINITY, token });
      const waiting = client.notify(token, 'Hello', null, null, { appId, deadlineMs: 5500 });
      await assert.rejects(waiting, ({ name, message, cause }) => {
        assert.equal(name, 'DeadlineError');
        assert.ok(message.endsWith(`no answer from APNs: Apple answered ${status} SomeReason`));
        assert.ok(cause instanceof ApnsUnavailableError);
        return true;
      });
      const seen = simulator.requests.filter((request) => request.token === token);
      assert.ok(seen.length > 0 && seen.length <= most, `${appId}: ${seen.length}`);
      const gaps = seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0));
      assert.ok(
        gaps.every((ms) => ms >= 1998),
        `${appId}: ${gaps}`,
      );
    }),
  );
});
