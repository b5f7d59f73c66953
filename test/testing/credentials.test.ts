import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { createAuthority, createProviderKey, createSimulator } from '../../src/testing/index.js';
import { bearer, withCertificate, withToken } from './provider.js';

const topic = 'com.example.app';
const minute = 60;
const day = 24 * 60 * 60 * 1000;
const ago = (ms: number) => new Date(Date.now() - ms);

test("a certificate is the topic's, and its subject and extensions say so", async () => {
  await using simulator = await createSimulator();
  const { subject, raw } = new X509Certificate(simulator.certificate);
  assert.equal(subject, `UID=${topic}\nCN=Apple Push Services: ${topic}`);
  assert.ok(raw.includes(Buffer.from('060a2a864886f76364060301', 'hex')));
  assert.ok(!raw.includes(Buffer.from('060a2a864886f76364060302', 'hex')));
});

test('with a certificate the topic may be left out, and no other app be pushed to', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  assert.equal((await provider.push()).status, 200);
  assert.equal(simulator.requests[0]?.topic, topic);
  const other = await provider.push({ headers: { 'apns-topic': 'com.example.other' } });
  assert.equal(other.reason, 'TopicDisallowed');
});

test('with a certificate the authorization header counts for nothing, and location is not allowed', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  assert.equal((await provider.push({ headers: { authorization: 'bearer x' } })).status, 200);
  const headers = { 'apns-push-type': 'location', 'apns-topic': `${topic}.location-query` };
  assert.equal((await provider.push({ headers })).reason, 'TopicDisallowed');
});

test('a certificate that lists several topics needs apns-topic', async () => {
  await using simulator = await createSimulator();
  const topics = [topic, `${topic}.voip`];
  const certificate = await simulator.issueCertificate({ topic, topics });
  await using provider = await withCertificate(simulator, certificate);
  assert.equal((await provider.push()).reason, 'MissingTopic');
  assert.equal((await provider.push({ headers: { 'apns-topic': topic } })).status, 200);
});

test('a certificate is judged by who signed it, when, and for which environment', async (t) => {
  await using sandbox = await createSimulator();
  await using production = await createSimulator({ environment: 'production' });
  const stranger = await createAuthority();
  const wrongEnvironment = [403, 'BadCertificateEnvironment'];
  const bad = [403, 'BadCertificate'];
  const good = [200, undefined];
  const rows: [name: string, certificate: string, sandbox: unknown[], production: unknown[]][] = [
    ['for the sandbox', sandbox.certificate, good, wrongEnvironment],
    ['for production', production.certificate, wrongEnvironment, good],
    ['for both', await sandbox.issueCertificate({ topic, environment: 'both' }), good, good],
    ['for none', await sandbox.issueCertificate({ topic, environment: 'none' }), good, good],
    [
      'expired',
      await sandbox.issueCertificate({ topic, notBefore: ago(2 * day), notAfter: ago(day) }),
      bad,
      bad,
    ],
    [
      'not yet valid',
      await sandbox.issueCertificate({ topic, notBefore: ago(-day), notAfter: ago(-2 * day) }),
      bad,
      bad,
    ],
    [
      "another authority's",
      await stranger.issueCertificate({ topic, environment: 'both' }),
      bad,
      bad,
    ],
  ];
  for (const [name, certificate, ...expected] of rows) {
    for (const [index, simulator] of [sandbox, production].entries()) {
      await t.test(`${name}, in ${simulator.environment}`, async () => {
        await using provider = await withCertificate(simulator, certificate);
        const { status, reason } = await provider.push();
        assert.deepEqual([status, reason], expected[index]);
      });
    }
  }
});

test('without certificate and authorization: MissingProviderToken', async () => {
  await using simulator = await createSimulator();
  await using provider = await withToken(simulator, '');
  assert.equal((await provider.push()).reason, 'MissingProviderToken');
});

test('a provider token is judged by signature, key, team and age', async (t) => {
  await using simulator = await createSimulator();
  const { key } = simulator;
  const now = Math.floor(Date.now() / 1000);
  const other = await createProviderKey({ topics: [topic] });
  const production = await simulator.issueKey({ environment: 'production' });
  const tampered = bearer(key).replace(/\..*\./, `.${bearer(other).split('.')[1]}.`);
  const rows: [name: string, authorization: string, reason: string | undefined][] = [
    ['right', bearer(key), undefined],
    ['with a signature in DER', bearer(key, { dsaEncoding: 'der' }), undefined],
    [
      "with another key's signature in DER",
      bearer({ ...other, keyId: key.keyId }, { dsaEncoding: 'der' }),
      'InvalidProviderToken',
    ],
    ['with half a signature', bearer(key).slice(0, -43), 'InvalidProviderToken'],
    ['of 59 minutes ago', bearer(key, { iat: now - 59 * minute }), undefined],
    ['of 61 minutes ago', bearer(key, { iat: now - 61 * minute }), 'ExpiredProviderToken'],
    ['of the next hour', bearer(key, { iat: now + 60 * minute }), 'InvalidProviderToken'],
    ['without iat', bearer(key, { claims: { iat: undefined } }), 'InvalidProviderToken'],
    ['with iat as text', bearer(key, { iat: String(now) }), 'InvalidProviderToken'],
    ['of another team', bearer(key, { claims: { iss: other.teamId } }), 'InvalidProviderToken'],
    ['of an unknown key', bearer(other), 'InvalidProviderToken'],
    ['of another key', bearer({ ...other, keyId: key.keyId }), 'InvalidProviderToken'],
    ['without kid', bearer(key, { header: { kid: undefined } }), 'InvalidProviderToken'],
    ['with another alg', bearer(key, { header: { alg: 'HS256' } }), 'InvalidProviderToken'],
    ['changed after signing', tampered, 'InvalidProviderToken'],
    ['of a production key', bearer(production), 'BadEnvironmentKeyInToken'],
  ];
  for (const [name, authorization, reason] of rows) {
    await t.test(`${name}: ${reason ?? 'taken'}`, async () => {
      await using provider = await withToken(simulator, authorization);
      assert.equal((await provider.push()).reason, reason);
    });
  }
});

test('a token that was good expires by the clock', async () => {
  let now = Date.now();
  await using simulator = await createSimulator({ now: () => now });
  await using provider = await withToken(simulator);
  assert.equal((await provider.push()).status, 200);
  now += 61 * minute * 1000;
  assert.equal((await provider.push()).reason, 'ExpiredProviderToken');
  assert.equal(simulator.requests[1]?.at, now);
});

test('how many streams are open before the first valid token can be said, and is no more than the limit', async () => {
  await using simulator = await createSimulator({ maxConcurrentStreams: 500, coldStreams: 20 });
  await using provider = await withToken(simulator);
  assert.equal(provider.maxConcurrentStreams, 20);
  const lowered = once(provider.session, 'remoteSettings');
  simulator.limitStreams(5);
  await lowered;
  assert.equal(provider.maxConcurrentStreams, 5);
  simulator.limitStreams(500);
  const raised = once(provider.session, 'remoteSettings');
  await raised;
  assert.equal(provider.maxConcurrentStreams, 20);
  const opened = once(provider.session, 'remoteSettings');
  await provider.push();
  await opened;
  assert.equal(provider.maxConcurrentStreams, 500);
});

for (const over of ['one connection', 'connections of their own']) {
  test(`who signs for each request, over ${over}, signs too often; who keeps a token does not`, async () => {
    let now = Date.now();
    await using simulator = await createSimulator({ now: () => now });
    await using keeper = await withToken(simulator);
    assert.equal((await keeper.push()).status, 200);
    assert.equal((await keeper.push()).status, 200);
    const signAndPush = async () => {
      const authorization = bearer(simulator.key, { iat: Math.floor(now / 1000) });
      if (over === 'one connection') return keeper.push({ headers: { authorization } });
      await using provider = await withToken(simulator, authorization);
      return await provider.push();
    };
    for (let i = 0; i < 10; i += 1) assert.equal((await signAndPush()).status, 200);
    for (let i = 0; i < 3; i += 1) {
      const { status, reason } = await signAndPush();
      assert.deepEqual([status, reason], [429, 'TooManyProviderTokenUpdates']);
    }
    assert.equal((await keeper.push()).status, 200);
    await using other = await withToken(simulator, bearer(await simulator.issueKey()));
    assert.equal((await other.push()).status, 200);
    now += 20 * minute * 1000;
    assert.equal((await signAndPush()).status, 200);
  });
}

test('many processes that sign once each, and push more than once, are taken', async () => {
  await using simulator = await createSimulator();
  for (let i = 0; i < 30; i += 1) {
    await using provider = await withToken(simulator);
    assert.equal((await provider.push()).status, 200);
    assert.equal((await provider.push()).status, 200);
  }
});

test('several teams and topics are known, each key for its own', async () => {
  await using simulator = await createSimulator({ topics: [topic, 'com.example.second'] });
  const key = await simulator.issueKey({ topics: ['org.example.third'], teamId: 'TEAM000003' });
  assert.deepEqual(simulator.keys, [simulator.key, key]);
  await using first = await withToken(simulator, undefined, 'com.example.second');
  assert.equal((await first.push()).status, 200);
  await using third = await withToken(simulator, bearer(key), 'org.example.third');
  assert.equal((await third.push()).status, 200);
  assert.equal((await third.push({ headers: { 'apns-topic': topic } })).reason, 'TopicDisallowed');
});

test('a connection stays with the first key it brought', async () => {
  await using simulator = await createSimulator();
  const second = await simulator.issueKey({ teamId: simulator.key.teamId });
  await using provider = await withToken(simulator);
  assert.equal((await provider.push()).status, 200);
  const reply = await provider.push({ headers: { authorization: bearer(second) } });
  assert.deepEqual([reply.status, reply.reason], [403, 'UnrelatedKeyIdInToken']);
  assert.equal((await provider.push()).status, 200);
});

test("a revoked key's tokens are refused, those seen before too", async () => {
  await using simulator = await createSimulator();
  await using provider = await withToken(simulator);
  assert.equal((await provider.push()).status, 200);
  simulator.revokeKey(simulator.key.keyId);
  assert.equal((await provider.push()).reason, 'InvalidProviderToken');
});

test('with a token one stream is open until the first valid one was seen; with a certificate all are', async () => {
  await using simulator = await createSimulator({ maxConcurrentStreams: 500 });
  await using certified = await withCertificate(simulator);
  assert.equal(certified.maxConcurrentStreams, 500);
  await using provider = await withToken(simulator);
  assert.equal(provider.maxConcurrentStreams, 1);
  await provider.push({ headers: { authorization: 'bearer x' } });
  assert.equal(provider.maxConcurrentStreams, 1);
  const raised = once(provider.session, 'remoteSettings');
  await provider.push();
  await raised;
  assert.equal(provider.maxConcurrentStreams, 500);
});

test('a client that offers no ALPN is taken to speak HTTP/2, as Apple takes it', async () => {
  await using simulator = await createSimulator();
  const { hostname: host, port } = new URL(simulator.url);
  const socket = connect({ port: Number(port), ca: simulator.ca, host });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, false);
  await using provider = await withToken(simulator, undefined, undefined, socket);
  assert.equal((await provider.push()).status, 200);
});

test('a client that offers HTTP/1.1 only is refused', async () => {
  await using simulator = await createSimulator();
  const { hostname: host, port } = new URL(simulator.url);
  const { ca } = simulator;
  const socket = connect({ port: Number(port), ca, host, ALPNProtocols: ['http/1.1'] });
  const [error] = await once(socket, 'error');
  assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
  assert.equal(simulator.connections, 0);
});

test('HTTP/1.1 without ALPN gets no further than its first line', async () => {
  await using simulator = await createSimulator();
  const { hostname: host, port } = new URL(simulator.url);
  const socket = connect({ port: Number(port), ca: simulator.ca, host });
  socket.on('error', () => {});
  socket.resume().end('GET / HTTP/1.1\r\n\r\n');
  await once(socket, 'close');
  assert.deepEqual(simulator.requests, []);
});
