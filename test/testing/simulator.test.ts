import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { createSimulator } from '../../src/testing/index.js';
import { deviceToken, payload, withCertificate, withToken } from './provider.js';

const id = '11111111-2222-4333-8444-555555555555';

async function temporaryFile() {
  const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
  return {
    path: join(folder, 'record.jsonl'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test('a request is recorded with all that it said', async () => {
  const now = 1_800_000_000_000;
  await using simulator = await createSimulator({ now: () => now });
  await using provider = await withCertificate(simulator);
  await provider.push({
    token: deviceToken.toUpperCase(),
    headers: { 'apns-id': id, 'apns-priority': '5' },
  });
  assert.deepEqual(simulator.requests, [
    {
      at: now,
      connection: 1,
      topic: 'com.example.app',
      token: deviceToken,
      id,
      headers: {
        ':method': 'POST',
        ':path': `/3/device/${deviceToken.toUpperCase()}`,
        ':authority': new URL(simulator.url).host,
        ':scheme': 'https',
        'apns-push-type': 'alert',
        'apns-id': id,
        'apns-priority': '5',
      },
      payload,
      status: 200,
      reason: null,
    },
  ]);
});

test('accepted has what got 200, and a payload that is no JSON is kept as text', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  await provider.push({ body: 'rubbish' });
  await provider.push();
  assert.deepEqual(
    simulator.requests.map((request) => [request.payload, request.status, request.reason]),
    [
      ['rubbish', 400, 'BadPayload'],
      [payload, 200, null],
    ],
  );
  assert.deepEqual(simulator.accepted, [simulator.requests[1]]);
  assert.deepEqual(simulator.counts, { requests: 2, accepted: 1 });
});

test('connections are counted, and each request names its own', async () => {
  await using simulator = await createSimulator();
  await using one = await withCertificate(simulator);
  await using two = await withToken(simulator);
  await two.push();
  await one.push();
  assert.equal(simulator.connections, 2);
  assert.deepEqual(
    simulator.requests.map(({ connection }) => connection),
    [2, 1],
  );
});

test('the file has each request before its answer is out, and goes on where it ended', async () => {
  await using file = await temporaryFile();
  const lines = async () => (await readFile(file.path, 'utf8')).trimEnd().split('\n');
  for (const count of [1, 2]) {
    await using simulator = await createSimulator({ record: file.path });
    await using provider = await withCertificate(simulator);
    await provider.push();
    assert.equal((await lines()).length, count);
    assert.deepEqual(JSON.parse((await lines()).at(-1) ?? ''), simulator.requests[0]);
  }
});

test('a record that can not be written is told of once, and requests are answered and remembered', async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  await using simulator = await createSimulator({ record: '/dev/full', log });
  await using provider = await withCertificate(simulator);
  for (let i = 0; i < 3; i += 1) assert.equal((await provider.push()).status, 200);
  assert.equal(simulator.requests.length, 3);
  assert.deepEqual(lines, [
    "/dev/full can't be written (ENOSPC: no space left on device, write), requests go on without a record",
  ]);
});

test('what is not to be remembered is counted and written all the same', async () => {
  await using file = await temporaryFile();
  await using simulator = await createSimulator({ record: file.path, remember: false });
  await using provider = await withCertificate(simulator);
  const next = simulator.nextRequest();
  await provider.push();
  assert.equal((await next).status, 200);
  assert.deepEqual([simulator.requests, simulator.accepted], [[], []]);
  assert.deepEqual(simulator.counts, { requests: 1, accepted: 1 });
  assert.match(await readFile(file.path, 'utf8'), /"status":200/);
});

test('one can wait for a certain request, and for a condition', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const next = simulator.nextRequest(({ token }) => token === 'bb');
  const two = simulator.until(() => simulator.accepted.length === 2);
  await provider.push({ token: 'aa' });
  await provider.push({ token: 'bb' });
  assert.equal((await next).token, 'bb');
  await two;
  await simulator.until(() => true);
});

test("a waiter's own error is the waiter's, and a close ends the wait", async () => {
  const simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const faulty = simulator.nextRequest(() => {
    throw new Error('mine');
  });
  const never = simulator.until(() => false);
  assert.equal((await provider.push()).status, 200);
  await assert.rejects(faulty, /mine/);
  await simulator.close();
  await assert.rejects(never, /the simulator was closed/);
});

test('closing ends connections in any state, at once and as often as one likes', async () => {
  const simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  simulator.stall({ when: 'after' });
  simulator.delay(60_000, { token: 'bb' });
  const ends = Promise.allSettled([provider.push(), provider.push({ token: 'bb' })]);
  const silent = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  await Promise.all([once(silent, 'connect'), simulator.until(() => simulator.pending === 2)]);
  const closed = [once(silent, 'close'), once(provider.session, 'close')];
  await Promise.all([simulator.close(), simulator.close(), ...closed]);
  for (const { status } of await ends) assert.equal(status, 'rejected');
});

test('a client that breaks off, or speaks no HTTP/2, harms nobody else', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  await using broken = await withCertificate(simulator);
  const stream = broken.session.request(
    { ':method': 'POST', ':path': `/3/device/${deviceToken}` },
    { endStream: false },
  );
  stream.on('error', () => {});
  stream.write('{');
  await simulator.until(() => simulator.pending === 1);
  broken.session.destroy();
  const stranger = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  stranger.on('error', () => {});
  stranger.end('GET / HTTP/1.1\r\n\r\n');
  await once(stranger, 'close');
  await simulator.until(() => simulator.pending === 0);
  assert.equal((await provider.push()).status, 200);
  assert.equal(simulator.requests.length, 1);
});

test('a thousand requests at once are all accepted, each once', async () => {
  await using simulator = await createSimulator();
  await using provider = await withCertificate(simulator);
  const tokens = Array.from({ length: 1000 }, (_, i) => i.toString(16).padStart(64, '0'));
  const replies = await Promise.all(tokens.map((token) => provider.push({ token })));
  assert.ok(replies.every(({ status }) => status === 200));
  assert.deepEqual(simulator.accepted.map(({ token }) => token).sort(), tokens);
});

test('an option that can not be used is refused, and so is a taken port', async () => {
  const config = { code: 'CONFIG' };
  await assert.rejects(createSimulator({ listen: 'localhost' }), config);
  await assert.rejects(createSimulator({ listen: '127.0.0.1:70000' }), config);
  await assert.rejects(createSimulator({ topics: [] }), config);
  for (const count of [-1, 0.5, Number.NaN, 2 ** 32]) {
    await assert.rejects(createSimulator({ maxConcurrentStreams: count }), config);
    await assert.rejects(createSimulator({ coldStreams: count }), config);
  }
  await assert.rejects(createSimulator({ coldStreams: 0 }), config);
  for (const name of ['', 'two words', 'a..b', 'http://x', 'münchen.example', '[::1]']) {
    await assert.rejects(createSimulator({ names: [name] }), config);
  }
  await assert.rejects(createSimulator({ environment: 'staging' as 'sandbox' }), config);
  await assert.rejects(createSimulator({ record: '/nowhere/record' }), { code: 'ENOENT' });
  await using simulator = await createSimulator();
  const { host } = new URL(simulator.url);
  await assert.rejects(createSimulator({ listen: host }), { code: 'EADDRINUSE' });
});

test('its certificate is for this machine, for Apple and for whatever name is wanted', async () => {
  const names = ['apns.example.org', '*.example.net', '192.0.2.7', '2001:db8::7'];
  for (const more of [[], names]) {
    await using simulator = await createSimulator({ names: more });
    const { hostname: host, port } = new URL(simulator.url);
    const socket = tlsConnect({ host, port: Number(port), ca: simulator.ca });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    const holds = (name: string) =>
      (isIP(name) ? certificate?.checkIP(name) : certificate?.checkHost(name)) !== undefined;
    const always = ['localhost', '127.0.0.1', '::1', 'api.push.apple.com'];
    for (const name of [...always, 'api.sandbox.push.apple.com']) assert.ok(holds(name), name);
    for (const name of ['apns.example.org', 'a.example.net', '192.0.2.7', '2001:db8::7']) {
      assert.equal(holds(name), more === names, name);
    }
    assert.ok(!holds('example.org'));
  }
});

test('simulators of one process share an authority and a certificate, and no key', async () => {
  await using one = await createSimulator();
  await using two = await createSimulator();
  assert.equal(one.ca, two.ca);
  assert.equal(one.certificate, two.certificate);
  assert.notEqual(one.key.key, two.key.key);
  assert.match(one.key.keyId, /^[A-Z0-9]{10}$/);
  assert.match(one.key.teamId, /^[A-Z0-9]{10}$/);
});
