import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import type { SendAnswer } from '../../../src/rpc/methods.js';
import { createProviderKey } from '../../../src/testing/authority.js';
import { createSimulator, type RecordedRequest } from '../../../src/testing/index.js';
import { call, sendAndWait } from '../../support/calling.js';
import { gateTo } from '../../support/gate.js';
import { logBook } from '../../support/log-book.js';
import { tlsGateTo } from '../../support/tls-gate.js';

const appId = 'app';
const topic = 'com.example.app';
const otherTopic = 'com.example.other';
const payload = { aps: { alert: 'Hello' } };
const invalid = 'Apple answered 403 InvalidProviderToken';

interface AppStatus {
  topic: string;
  environment: string;
  changing: boolean;
  change?: { state: string; credentials: string; warnings: string[]; reason?: string } & {
    since?: number;
    retryAt?: number;
  };
  refusal?: { reason: string; since: number };
  trouble?: { reason: string; since: number };
}

/** A daemon between the two gateways of one Apple, each behind a gate. */
async function start() {
  const topics = [topic, otherTopic];
  const sandbox = await createSimulator({ topics });
  const production = await createSimulator({ environment: 'production', topics });
  const gate = await tlsGateTo(sandbox);
  const productionGate = await gateTo(production.url);
  const book = logBook();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gate.url, production: productionGate.url },
    ca: sandbox.ca,
    log: book.log,
  });
  const notify = async (timeoutMs = 10_000, token = 'aa11'): Promise<SendAnswer> => {
    const to: [string, string][] = [[token, crypto.randomUUID()]];
    const [answer] = await sendAndWait(daemon.url, appId, [{ payload, to }], timeoutMs);
    assert.ok(answer);
    return answer;
  };
  return {
    sandbox,
    production,
    gate,
    productionGate,
    book,
    daemon,
    notify,
    provision: (entry: object) =>
      call(daemon.url, 'apnsd.provision', { appId, topic, environment: 'sandbox', ...entry }),
    /** A certificate that the gate lets through. */
    async certificate(wish: { topic?: string } = {}): Promise<string> {
      const cert = await sandbox.issueCertificate({ topic, ...wish });
      gate.admit(cert);
      return cert;
    },
    async notifyMany(count: number): Promise<void> {
      const answers = await Promise.all(Array.from({ length: count }, () => notify()));
      for (const answer of answers) assert.equal(answer.status, 'accepted', JSON.stringify(answer));
    },
    async status(): Promise<AppStatus> {
      const { apps } = (await call(daemon.url, 'apnsd.status')) as { apps: AppStatus[] };
      assert.ok(apps[0]);
      return apps[0];
    },
    async [Symbol.asyncDispose]() {
      await daemon.close();
      await gate[Symbol.asyncDispose]();
      await productionGate[Symbol.asyncDispose]();
      await sandbox.close();
      await production.close();
    },
  };
}

/** What `apnsd.provision` takes of a key. */
const entryOf = ({ key, keyId, teamId }: { key: string; keyId: string; teamId: string }) => ({
  key,
  keyId,
  teamId,
});

function keyIdOf({ headers }: RecordedRequest): string {
  const [, head = ''] = /^bearer ([^.]+)/.exec(headers.authorization ?? '') ?? [];
  return head && JSON.parse(Buffer.from(head, 'base64url').toString()).kid;
}

test('after a change of environment and topic, each notification goes to the new gateway under the new topic', async () => {
  await using it = await start();
  const [cert, other] = await Promise.all([
    it.certificate(),
    it.production.issueCertificate({ topic: otherTopic }),
  ]);
  await call(it.daemon.url, 'provision', appId, cert, 'sandbox');
  await it.notifyMany(1);
  await call(it.daemon.url, 'provision', appId, other, 'production');
  for (let count = 0; count < 10; count += 1) await it.notifyMany(1);
  await it.notifyMany(10);
  assert.equal(it.sandbox.requests.length, 1);
  assert.equal(it.production.accepted.length, 20);
  assert.deepEqual(
    new Set(it.production.accepted.map(({ topic }) => topic)),
    new Set([otherTopic]),
  );
  const { topic: shown, environment, changing } = await it.status();
  assert.deepEqual(
    { shown, environment, changing },
    { shown: otherTopic, environment: 'production', changing: false },
  );
});

test('while the gateway of a new environment is away, notifications wait for it, and status says why', async () => {
  await using it = await start();
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  const key = await it.production.issueKey();
  it.productionGate.refuse();
  const before = Date.now();
  await it.provision({ ...entryOf(key), environment: 'production' });
  const impatient = await it.notify(200);
  assert.ok(impatient.status === 'failed');
  assert.equal(impatient.code, 'APNS_UNAVAILABLE');
  const { trouble, environment } = await it.status();
  assert.equal(environment, 'production');
  assert.match(trouble?.reason ?? '', /^gateway 127\.0\.0\.1:\d+: /);
  assert.ok((trouble?.since ?? 0) >= before && (trouble?.since ?? 0) <= Date.now());

  const patient = it.notifyMany(3);
  it.productionGate.open();
  await patient;
  assert.equal(it.sandbox.requests.length, 1);
  assert.equal(it.production.accepted.length, 3);
  assert.equal((await it.status()).trouble, undefined);
});

test('what is under way at a change of topic finishes with the old one, what waits goes with the new one', async () => {
  await using it = await start();
  await it.provision({ cert: await it.certificate() });
  await it.notifyMany(1);
  const release = it.sandbox.hold();
  const underWay = it.notifyMany(1);
  await it.sandbox.until(() => it.sandbox.pending === 1);
  it.sandbox.limitStreams(0);
  const waiting = it.notifyMany(3);
  await it.provision({ cert: await it.certificate({ topic: otherTopic }), topic: otherTopic });
  it.sandbox.limitStreams(10);
  await waiting;
  release();
  await underWay;
  assert.deepEqual(
    it.sandbox.accepted.map(({ topic }) => topic),
    [topic, otherTopic, otherTopic, otherTopic, topic],
  );
});

test('a key that Apple refuses leaves the old one serving: one notification tries it, and goes with the old one', async () => {
  await using it = await start();
  const { key } = it.sandbox;
  await it.provision(entryOf(key));
  await it.notifyMany(1);
  const before = Date.now();
  await it.provision({ ...entryOf(key), keyId: 'MISTYPED00' });
  await it.book.until('on trial');
  await it.notifyMany(50);
  const refused = it.sandbox.requests.filter(({ status }) => status === 403);
  assert.deepEqual(new Set(refused.map(keyIdOf)), new Set(['MISTYPED00']));
  // One, and on a slow machine one more for each time that it was tried again.
  assert.equal(refused.length, it.book.of('set aside').length);
  assert.equal(it.sandbox.accepted.length, 51);
  assert.deepEqual(new Set(it.sandbox.accepted.map(keyIdOf)), new Set([key.keyId]));
  const { changing, change, refusal } = await it.status();
  assert.equal(changing, true);
  assert.equal(change?.state, 'set aside');
  assert.equal(change?.credentials, 'token');
  assert.equal(change?.reason, invalid);
  assert.ok((change?.since ?? 0) >= before && (change?.retryAt ?? 0) > (change?.since ?? 0));
  assert.equal(refusal?.reason, invalid);
  const [line] = it.book.of('set aside');
  assert.equal(line?.app, appId);
  assert.equal(line?.reason, invalid);
  assert.deepEqual(it.book.of('failed'), []);
});

test('no refusal of a trial is repeated with the new credentials, whatever its reason', async () => {
  await using it = await start();
  const cert = await it.certificate();
  await it.provision({ cert });
  await it.notifyMany(1);
  await it.provision(entryOf(it.sandbox.key));
  await it.book.until('on trial');
  for (const reason of ['ExpiredProviderToken', 'UnrelatedKeyIdInToken', 'Forbidden']) {
    const { length } = it.sandbox.requests;
    it.sandbox.answer({ status: 403, reason });
    await it.notifyMany(1);
    const statuses = it.sandbox.requests.slice(length).map(({ status }) => status);
    assert.deepEqual(statuses, [403, 200], reason);
    assert.equal((await it.status()).refusal?.reason, `Apple answered 403 ${reason}`);
    await it.provision(entryOf(it.sandbox.key));
  }
});

test('credentials that were set aside are tried again later and later, and at each provision', async () => {
  await using it = await start();
  const { key } = it.sandbox;
  const bad = { ...entryOf(key), keyId: 'MISTYPED00' };
  await it.provision(entryOf(key));
  await it.notifyMany(1);
  await it.provision(bad);
  await it.book.until('on trial');
  for (const [trial, least] of [500, 1000, 2000, 4000].entries()) {
    await it.notifyMany(1);
    const pauses = it.book.of('set aside').map(({ retryInMs }) => Number(retryInMs));
    assert.equal(pauses.length, trial + 1);
    assert.ok((pauses.at(-1) ?? 0) >= least && (pauses.at(-1) ?? 0) <= 2 * least, pauses.join());
    await it.provision(bad);
  }
  const refused = it.sandbox.requests.filter(({ status }) => status === 403);
  assert.equal(refused.length, 4);
});

test('credentials that were set aside for a moment take over by themselves once Apple takes them', async () => {
  await using it = await start();
  const { key } = it.sandbox;
  await it.provision(entryOf(key));
  await it.notifyMany(1);
  const next = await it.sandbox.issueKey();
  it.sandbox.answer({ status: 403, reason: 'InvalidProviderToken' });
  await it.provision(entryOf(next));
  await it.book.until('on trial');
  await it.notifyMany(1);
  assert.equal((await it.status()).change?.state, 'set aside');
  // Half a second at the least.
  while (it.book.of('changed').length === 0) await it.notifyMany(1);
  const { changing, refusal } = await it.status();
  assert.deepEqual({ changing, refusal }, { changing: false, refusal: undefined });
  const keyIds = it.sandbox.accepted.map(keyIdOf);
  assert.equal(keyIds.indexOf(next.keyId), keyIds.length - 1);
});

test('an idle app stays with the old credentials until a notification has tried the new ones', async () => {
  await using it = await start();
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  const next = await it.sandbox.issueKey();
  await it.provision(entryOf(next));
  await it.book.until('on trial');
  assert.equal((await it.status()).change?.state, 'on trial');
  assert.equal(it.sandbox.requests.length, 1);
  await it.notifyMany(1);
  assert.equal((await it.status()).changing, false);
  assert.deepEqual(it.sandbox.accepted.map(keyIdOf).at(-1), next.keyId);
});

test('while one notification tries the new credentials, all others go with the old ones', async () => {
  await using it = await start();
  const { keyId } = it.sandbox.key;
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  const next = await it.sandbox.issueKey();
  await it.provision(entryOf(next));
  await it.book.until('on trial');
  const release = it.sandbox.hold({ token: 'bb' });
  const trial = it.notify(10_000, 'bb');
  await it.sandbox.until(() => it.sandbox.pending === 1);
  await it.notifyMany(20);
  assert.deepEqual(new Set(it.sandbox.accepted.map(keyIdOf)), new Set([keyId]));
  release();
  assert.equal((await trial).status, 'accepted');
  await it.notifyMany(1);
  assert.deepEqual(it.sandbox.accepted.slice(-2).map(keyIdOf), [next.keyId, next.keyId]);
});

test('what is wrong with the notification, or the service, is no refusal of the credentials that carried it', async () => {
  await using it = await start();
  const { keyId } = it.sandbox.key;
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  const next = await it.sandbox.issueKey();
  await it.provision(entryOf(next));
  await it.book.until('on trial');
  // It tells nothing of the credentials; the notification goes with those that work.
  it.sandbox.answer({ status: 503, reason: 'ServiceUnavailable' });
  await it.notifyMany(1);
  assert.deepEqual(it.sandbox.requests.map(keyIdOf).slice(0, 2), [keyId, next.keyId]);
  assert.match(String(it.book.of('set aside')[0]?.reason), /503 ServiceUnavailable$/);
  assert.equal((await it.status()).refusal, undefined);

  await it.provision(entryOf(next));
  it.sandbox.answer({ status: 400, reason: 'BadDeviceToken' });
  assert.equal((await it.notify()).status, 'rejected');
  assert.equal((await it.status()).changing, false);
});

test('a trial without an answer holds up its own notification, and none after it', async () => {
  await using it = await start();
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  await it.provision(entryOf(await it.sandbox.issueKey()));
  await it.book.until('on trial');
  it.sandbox.stall({ when: 'before' });
  assert.equal((await it.notify(300)).status, 'failed');
  assert.equal((await it.status()).change?.state, 'set aside');
  await it.notifyMany(1);
});

test('a notification that only rests, after a failure of before the change, tries nothing', async () => {
  await using it = await start();
  await it.provision(entryOf(it.sandbox.key));
  const headers = { 'retry-after': '60' };
  it.sandbox.answer({ status: 429, reason: 'TooManyRequests', headers });
  const to: [string, string][] = [['aa11', crypto.randomUUID()]];
  const rests = async () => {
    const [answer] = await sendAndWait(it.daemon.url, appId, [{ payload, to }], 1000);
    assert.equal(answer?.status, 'failed');
  };
  await rests();
  await it.provision(entryOf(await it.sandbox.issueKey()));
  await it.book.until('on trial');
  await rests();
  assert.equal((await it.status()).change?.state, 'on trial');
  assert.equal(it.sandbox.requests.length, 1);
});

test('old credentials that Apple refuses serve no longer: the notification waits for the new ones', async () => {
  await using it = await start();
  const cert = await it.certificate();
  await it.provision({ cert });
  await it.notifyMany(1);
  const next = await it.sandbox.issueCertificate({ topic });
  await it.provision({ cert: next });
  it.sandbox.answer({ status: 403, reason: 'BadCertificate' });
  const waiting = it.notifyMany(3);
  await it.book.until('changed');
  it.gate.admit(next);
  await waiting;
  const { changing, refusal } = await it.status();
  assert.deepEqual({ changing, refusal }, { changing: false, refusal: undefined });
  assert.match(
    String(it.book.of('changed')[0]?.reason),
    /refused: Apple answered 403 BadCertificate/,
  );
});

test('after refused credentials were mended, the first notification gets no old refusal', async () => {
  await using it = await start();
  const { key } = it.sandbox;
  await it.provision({ ...entryOf(key), keyId: 'MISTYPED00' });
  const refused = await it.notify();
  assert.ok(refused.status === 'failed');
  assert.equal(refused.code, 'CREDENTIALS');
  assert.equal((await it.status()).refusal?.reason, invalid);
  await it.provision(entryOf(key));
  await it.notifyMany(10);
  assert.equal(it.sandbox.requests.filter(({ status }) => status === 403).length, 1);
  const { changing, refusal } = await it.status();
  assert.deepEqual({ changing, refusal }, { changing: false, refusal: undefined });
});

test('refused credentials whose successors are refused too are still an error for whoever calls', async () => {
  await using it = await start();
  const foreign = await createProviderKey({ topics: [topic] });
  await it.provision({ ...entryOf(it.sandbox.key), keyId: 'MISTYPED00' });
  await it.notify();
  await it.provision(entryOf(foreign));
  for (let count = 0; count < 2; count += 1) {
    const answer = await it.notify();
    assert.ok(answer.status === 'failed');
    assert.equal(answer.message, invalid);
  }
  assert.equal(it.sandbox.requests.length, 3);
});

test('what waits for a connection that can not be had goes with the new credentials that Apple takes', async () => {
  await using it = await start();
  const cert = await it.sandbox.issueCertificate({ topic });
  await it.provision({ cert });
  const waiting = it.notifyMany(3);
  while (!(await it.status()).trouble);
  await it.provision({ cert: await it.certificate() });
  await waiting;
  assert.equal((await it.status()).changing, false);
});

test('the old credentials again call off a trial, and those set aside are tried no more', async () => {
  await using it = await start();
  const { key } = it.sandbox;
  await it.provision(entryOf(key));
  await it.notifyMany(1);
  await it.provision({ ...entryOf(key), keyId: 'MISTYPED00' });
  await it.book.until('on trial');
  await it.notifyMany(1);
  await it.provision(entryOf(key));
  const { changing, change, refusal } = await it.status();
  assert.deepEqual(
    { changing, change, refusal },
    { changing: false, change: undefined, refusal: undefined },
  );
  await it.notifyMany(5);
  assert.equal(it.sandbox.requests.filter(({ status }) => status === 403).length, 1);
});

test('a daemon that is closed while a notification tries new credentials lets it finish', async () => {
  const it = await start();
  await it.provision(entryOf(it.sandbox.key));
  await it.notifyMany(1);
  await it.provision(entryOf(await it.sandbox.issueKey()));
  await it.book.until('on trial');
  const release = it.sandbox.hold();
  const trial = it.notify();
  await it.sandbox.until(() => it.sandbox.pending === 1);
  const closed = it[Symbol.asyncDispose]();
  release();
  assert.equal((await trial).status, 'accepted');
  await closed;
});
