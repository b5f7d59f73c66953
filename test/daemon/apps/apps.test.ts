import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ProviderTokens } from '../../../src/apns/credentials/provider-token.js';
import { createPool } from '../../../src/apns/http2/pool.js';
import { Apps } from '../../../src/daemon/apps/apps.js';
import { createDaemon } from '../../../src/daemon/index.js';
import { createSimulator } from '../../../src/testing/index.js';
import { call, sendAndWait } from '../../support/calling.js';
import { gateTo } from '../../support/gate.js';
import { logBook } from '../../support/log-book.js';

const topic = 'com.example.app';
const payload = { aps: { alert: 'Hello' } };

const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
after(() => rm(folder, { recursive: true }));

/** A daemon whose way to the simulator leads through a gate. */
async function start() {
  const simulator = await createSimulator();
  const gate = await gateTo(simulator.url);
  const book = logBook();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gate.url },
    ca: simulator.ca,
    log: book.log,
  });
  const provision = (cert: string, appId = topic) =>
    call(daemon.url, 'apnsd.provision', { appId, cert, environment: 'sandbox' });
  return {
    simulator,
    gate,
    book,
    daemon,
    provision,
    /** Provisions and waits until Apple has taken the connection. */
    async provisioned(cert = simulator.certificate): Promise<void> {
      await provision(cert);
      await book.until('connected');
    },
    /** The connection that a notification went over. */
    async connectionUsed(appId = topic): Promise<number | undefined> {
      const [answer] = await sendAndWait(daemon.url, appId, [
        { payload, to: [['aa11', crypto.randomUUID()]] },
      ]);
      assert.equal(answer?.status, 'accepted', JSON.stringify(answer));
      return simulator.accepted.at(-1)?.connection;
    },
    async changing(): Promise<unknown> {
      const { apps } = (await call(daemon.url, 'apnsd.status')) as {
        apps: { changing: boolean }[];
      };
      return apps[0]?.changing;
    },
    async [Symbol.asyncDispose]() {
      await daemon.close();
      await gate[Symbol.asyncDispose]();
      await simulator.close();
    },
  };
}

test('a notification that comes before the connection stands waits for it', async () => {
  await using it = await start();
  it.gate.shut();
  await it.provision(it.simulator.certificate);
  const sent = Promise.all([it.connectionUsed(), it.connectionUsed(), it.connectionUsed()]);
  await it.gate.arrived(1);
  it.gate.open();
  await sent;
  assert.equal(it.simulator.accepted.length, 3);
});

test('the same contents again, from wherever, change nothing and dial nothing', async () => {
  await using it = await start();
  const { certificate } = it.simulator;
  await it.provisioned();
  const path = join(folder, 'same.pem');
  await writeFile(path, certificate);
  for (const cert of [certificate, path, path]) await it.provision(cert);
  await call(it.daemon.url, 'provision', topic, path, 'sandbox');
  assert.equal(await it.changing(), false);
  await it.connectionUsed();
  assert.equal(it.gate.arrivals, 1);
  assert.ok(!it.book.events().includes('changing'));
});

test('a hundred callers that provision the same at once cause one connection', async () => {
  await using it = await start();
  await Promise.all(Array.from({ length: 100 }, () => it.provision(it.simulator.certificate)));
  await it.connectionUsed();
  assert.equal(it.gate.arrivals, 1);
  assert.equal(it.book.of('provisioned').length, 1);
});

test('other contents under the same path are taken', async () => {
  await using it = await start();
  const path = join(folder, 'renewed.pem');
  await writeFile(path, it.simulator.certificate);
  await it.provisioned(path);
  const before = await it.connectionUsed();
  await writeFile(path, await it.simulator.issueCertificate({ topic }));
  await it.provision(path);
  await it.book.until('on trial');
  assert.notEqual(await it.connectionUsed(), before);
});

test('the old credentials serve until Apple has taken the new connection, and a notification over it', async () => {
  await using it = await start();
  await it.provisioned();
  const old = await it.connectionUsed();
  it.gate.shut();
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.gate.arrived(2);
  assert.equal(await it.changing(), true);
  assert.equal(await it.connectionUsed(), old);

  it.gate.open();
  await it.book.until('on trial');
  assert.equal(await it.changing(), true);
  assert.notEqual(await it.connectionUsed(), old);
  assert.equal(await it.changing(), false);
  assert.equal(it.book.of('changed').length, 1);
});

test('what is under way with the old credentials is finished with them', async () => {
  await using it = await start();
  await it.provisioned();
  const release = it.simulator.hold({ token: 'bb' });
  const id = crypto.randomUUID();
  const slow = sendAndWait(it.daemon.url, topic, [{ payload, to: [['bb', id]] }]);
  await it.simulator.until(() => it.simulator.pending === 1);
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.book.until('on trial');
  await it.connectionUsed();
  await it.book.until('changed');
  release();
  const [answer] = await slow;
  assert.equal(answer?.status, 'accepted');
  assert.deepEqual(
    it.simulator.requests.map(({ token, connection }) => [token, connection]),
    [
      ['aa11', 2],
      ['bb', 1],
    ],
  );
});

test('what is refused with the old credentials goes with the new ones, at whose door no refusal is laid', async () => {
  await using it = await start();
  await it.provisioned();
  const release = it.simulator.hold({ token: 'bb' });
  it.simulator.answer({ status: 403, reason: 'BadCertificate' }, { token: 'bb' });
  const late = sendAndWait(it.daemon.url, topic, [{ payload, to: [['bb', crypto.randomUUID()]] }]);
  await it.simulator.until(() => it.simulator.pending === 1);
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.book.until('on trial');
  await it.connectionUsed();
  await it.book.until('changed');
  release();
  const [answer] = await late;
  assert.equal(answer?.status, 'accepted');
  assert.equal(it.simulator.accepted.at(-1)?.connection, 2);
  const { apps } = (await call(it.daemon.url, 'apnsd.status')) as { apps: object[] };
  assert.equal(apps.length, 1);
  assert.ok(!('refusal' in (apps[0] ?? {})));
});

test('a connection that is not taken leaves the old one serving, and the log says why', async () => {
  await using it = await start();
  await it.provisioned();
  it.gate.refuse();
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.book.until('unreachable');
  assert.equal(await it.changing(), true);
  assert.equal(await it.connectionUsed(), 1);
});

test('credentials that fail the checks leave the old ones serving', async () => {
  await using it = await start();
  await it.provisioned();
  const expired = await it.simulator.issueCertificate({ topic, notAfter: new Date(0) });
  for (const bad of [expired, 'nowhere.pem', it.simulator.ca]) {
    await assert.rejects(it.provision(bad), { faultCode: 422 });
  }
  assert.equal(await it.changing(), false);
  await it.connectionUsed();
  assert.equal(it.gate.arrivals, 1);
});

test('the old credentials again call a change off', async () => {
  await using it = await start();
  await it.provisioned();
  it.gate.shut();
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.gate.arrived(2);
  await it.provision(it.simulator.certificate);
  assert.equal(await it.changing(), false);
  assert.equal(it.book.of('change called off').length, 1);
  it.gate.open();
  assert.equal(await it.connectionUsed(), 1);
});

test('of two changes in a row the last one comes', async () => {
  await using it = await start();
  await it.provisioned();
  const [second, third] = await Promise.all([
    it.simulator.issueCertificate({ topic: 'com.example.second' }),
    it.simulator.issueCertificate({ topic: 'com.example.third' }),
  ]);
  it.gate.shut();
  await it.provision(second);
  await it.gate.arrived(2);
  const waiting = it.connectionUsed();
  await it.provision(third);
  it.gate.open();
  await waiting;
  await it.connectionUsed();
  assert.deepEqual(
    it.simulator.accepted.map(({ topic }) => topic),
    ['com.example.third', 'com.example.third'],
  );
});

test('from a certificate to a key, and to another topic, is a change like any other', async () => {
  await using it = await start();
  await it.provisioned();
  const { key, keyId, teamId } = await it.simulator.issueKey({ topics: ['com.example.second'] });
  const entry = { appId: topic, key, keyId, teamId, environment: 'sandbox' };
  await call(it.daemon.url, 'apnsd.provision', { ...entry, topic: 'com.example.second' });
  await it.book.until('changed');
  await it.connectionUsed();
  const request = it.simulator.accepted.at(-1);
  assert.equal(request?.topic, 'com.example.second');
  assert.match(request?.headers.authorization ?? '', /^bearer /);
});

test('a repeat after a change goes out with the topic of the credentials that carry it', async () => {
  await using it = await start();
  await it.provisioned();
  it.simulator.answer({ status: 503, reason: 'ServiceUnavailable' });
  const release = it.simulator.hold();
  const sent = it.connectionUsed();
  await it.simulator.until(() => it.simulator.pending === 1);
  await it.provision(await it.simulator.issueCertificate({ topic: 'com.example.second' }));
  await it.book.until('changed');
  release();
  await sent;
  assert.deepEqual(
    it.simulator.requests.map(({ status, topic }) => [status, topic]),
    [
      [503, topic],
      [200, 'com.example.second'],
    ],
  );
});

test('of two that are provisioned at once the one that came last wins, though the other takes longer to read', async () => {
  await using simulator = await createSimulator();
  const apps = new Apps({
    gateways: { sandbox: simulator.url, production: simulator.url },
    ca: { sandbox: [simulator.ca], production: [simulator.ca] },
    tokens: new ProviderTokens(),
    createSender: createPool,
    log: () => {},
  });
  // Two keys to derive, of 2,048 rounds each.
  const slow = join(import.meta.dirname, '../../apns/credentials/p12/keychain.p12');
  const entry = { appId: topic, environment: 'sandbox' as const };
  const first = apps.provision({ ...entry, cert: slow, passphrase: 'opensesame' });
  const last = await apps.provision({ ...entry, cert: simulator.certificate });
  await first;
  assert.equal(apps.get(topic).credentials, last);
  assert.equal(apps.get(topic).change.kind, 'steady');
  await apps.close();
});

test('two apps have connections, topics and counts of their own', async () => {
  await using it = await start();
  await it.provision(it.simulator.certificate, 'one');
  await it.provision(await it.simulator.issueCertificate({ topic: 'com.example.two' }), 'two');
  const [one, two] = [await it.connectionUsed('one'), await it.connectionUsed('two')];
  assert.notEqual(one, two);
  assert.deepEqual(
    it.simulator.accepted.map(({ topic }) => topic),
    [topic, 'com.example.two'],
  );
  const { apps } = (await call(it.daemon.url, 'apnsd.status')) as {
    apps: { appId: string; counts: { accepted: number } }[];
  };
  assert.deepEqual(
    apps.map(({ appId, counts }) => [appId, counts.accepted]),
    [
      ['one', 1],
      ['two', 1],
    ],
  );
});

test('two apps of one key share one provider token, also over connections that are dialled again', async () => {
  await using it = await start();
  const { key, keyId, teamId } = it.simulator.key;
  for (const appId of ['one', 'two']) {
    const entry = { appId, key, keyId, teamId, topic, environment: 'sandbox' };
    await call(it.daemon.url, 'apnsd.provision', entry);
    await it.connectionUsed(appId);
  }
  it.simulator.hangUp({ when: 'before' });
  await it.connectionUsed('one');
  const tokens = it.simulator.requests.map(({ headers }) => headers.authorization);
  assert.equal(tokens.length, 3);
  assert.equal(new Set(tokens).size, 1);
  assert.ok(it.simulator.connections >= 3);
});

test('a daemon that is closed in the middle of a change closes at once', async () => {
  const it = await start();
  await it.provisioned();
  it.gate.refuse();
  await it.provision(await it.simulator.issueCertificate({ topic }));
  await it.book.until('unreachable');
  const before = performance.now();
  await it[Symbol.asyncDispose]();
  assert.ok(performance.now() - before < 5000);
  assert.ok(!it.book.events().includes('changed'));
});
