/** Clients of other languages against the simulator: those that Debian has as they are, pushy and apnotic in the form that they have on the wire. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { createSimulator, type Simulator } from '../../src/testing/index.js';
import { file } from '../support/folder.js';
import { bearer } from './provider.js';

const [good, bad, dead] = ['aa'.repeat(32), 'bb'.repeat(32), 'cc'.repeat(32)];
const at = new Date(1_700_000_000_123);
const payload = { aps: { alert: 'Hello', badge: 3 } };
const id = 'ABCDEFAB-2222-4333-8444-55555555555F';
const run = promisify(execFile);
const script = (name: string) => join(import.meta.dirname, 'foreign', name);

async function start(): Promise<Simulator> {
  const simulator = await createSimulator();
  simulator.badDeviceToken(bad);
  simulator.unregister(dead, { at });
  return simulator;
}

/** What the scripts want to know. */
async function environment(simulator: Simulator): Promise<Record<string, string>> {
  const { key, keyId, teamId, topic } = simulator.key;
  const { hostname, port } = new URL(simulator.url);
  return {
    ...(process.env as Record<string, string>),
    URL: simulator.url,
    HOST: hostname,
    PORT: port,
    CA_FILE: await file('ca.pem', simulator.ca),
    KEY_FILE: await file('key.p8', key),
    KEY_ID: keyId,
    TEAM_ID: teamId,
    TOPIC: topic,
  };
}

function missing(what: string, command: string, ...probe: string[]): { skip: string | false } {
  const there = spawnSync(command, probe, { stdio: 'ignore' }).status === 0;
  return { skip: !there && `${what} is missing` };
}

for (const protocol of [['--http2'], ['--http2-prior-knowledge', '--no-alpn']]) {
  test(
    `curl ${protocol.join(' ')} pushes with a provider token that openssl signed`,
    missing('curl or openssl', 'sh', '-c', 'curl --version && openssl version'),
    async () => {
      await using simulator = await start();
      const env = await environment(simulator);
      const outputs: string[] = [];
      for (const DEVICE of [good, bad, dead]) {
        const { stdout } = await run('sh', [script('curl.sh'), ...protocol], {
          env: { ...env, DEVICE },
        });
        outputs.push(stdout);
      }
      assert.deepEqual(outputs, [
        '200',
        '{"reason":"BadDeviceToken"}400',
        `{"reason":"Unregistered","timestamp":${at.getTime()}}410`,
      ]);
      for (const request of simulator.requests) assert.deepEqual(request.payload, payload);
    },
  );
}

/** Debian's own interpreter has Debian's packages, whatever else `python3` names. */
const python = '/usr/bin/python3';

test(
  'aioapns gets the answer to each of its requests, whatever it sent as apns-id',
  missing('aioapns', python, '-c', 'import aioapns'),
  async () => {
    await using simulator = await start();
    const env = await environment(simulator);
    const pushes = [
      [good, id],
      [good, null],
      [bad, id.toLowerCase()],
      [dead, id],
      [good, 'order 7'],
    ];
    const { stdout } = await run(python, [script('aioapns_send.py')], {
      env: { ...env, PUSHES: JSON.stringify(pushes) },
    });
    assert.deepEqual(JSON.parse(stdout), [
      ['200', null],
      ['200', null],
      ['400', 'BadDeviceToken'],
      ['410', 'Unregistered'],
      ['400', 'BadMessageId'],
    ]);
    assert.equal(simulator.connections, 1);
  },
);

test(
  "Ruby's http-2 pushes in apnotic's form, which offers NPN and no ALPN",
  missing("Ruby's http-2", 'ruby', '-rhttp/2', '-e', ''),
  async () => {
    await using simulator = await start();
    const AUTHORIZATION = bearer(simulator.key);
    const DEVICES = JSON.stringify([good, bad, dead]);
    const env = await environment(simulator);
    const { stdout } = await run('ruby', [script('http2_send.rb')], {
      env: { ...env, AUTHORIZATION, DEVICES, APNS_ID: id },
    });
    assert.deepEqual(JSON.parse(stdout), [
      ['200', ''],
      ['400', '{"reason":"BadDeviceToken"}'],
      ['410', `{"reason":"Unregistered","timestamp":${at.getTime()}}`],
    ]);
    for (const request of simulator.requests) assert.deepEqual(request.payload, payload);
  },
);

test('pushy, in its form on the wire, gets each answer in frames that it understands', async () => {
  await using simulator = await start();
  const { hostname: host, port } = new URL(simulator.url);
  // It offers no ALPN unless it is told to.
  const socket = connect({ host, port: Number(port), ca: simulator.ca });
  await once(socket, 'secureConnect');
  assert.equal(socket.alpnProtocol, false);
  const { wire, frames } = tap(socket);
  const session = connectHttp2(simulator.url, { createConnection: () => wire });
  session.on('error', () => {});
  // Java signs in DER.
  const authorization = bearer(simulator.key, { header: { typ: 'JWT' }, dsaEncoding: 'der' });
  const answers: unknown[] = [];
  for (const device of [good, bad, dead]) {
    const stream = session.request(
      {
        ':method': 'POST',
        ':authority': 'api.sandbox.push.apple.com',
        ':path': `/3/device/${device}`,
        ':scheme': 'https',
        'apns-expiration': '0',
        'apns-priority': '10',
        'apns-push-type': 'alert',
        'apns-topic': simulator.key.topic,
        'apns-id': id.toLowerCase(),
        authorization,
      },
      { endStream: false },
    );
    stream.on('response', (headers) => answers.push([headers[':status'], headers['apns-id']]));
    stream.on('error', () => {});
    stream.resume().end(JSON.stringify(payload));
    await once(stream, 'close');
  }
  session.destroy();
  assert.deepEqual(
    answers,
    [200, 400, 410].map((status) => [status, id.toLowerCase()]),
  );
  // A DATA frame that does not end the stream is nothing that it can read.
  assert.deepEqual(frames(), [
    ['HEADERS', 'ends'],
    ['HEADERS', 'goes on'],
    ['DATA', 'ends'],
    ['HEADERS', 'goes on'],
    ['DATA', 'ends'],
  ]);
});

/** The socket, and what it has received so far of answers, frame by frame. */
function tap(socket: TLSSocket): { wire: Duplex; frames: () => [string, string][] } {
  const received: Buffer[] = [];
  const wire = new Duplex({
    read: () => socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, () => done()),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    received.push(chunk);
    if (!wire.push(chunk)) socket.pause();
  });
  socket.on('close', () => wire.push(null));
  const frames = () => {
    const bytes = Buffer.concat(received);
    const found: [string, string][] = [];
    for (let start = 0; start < bytes.length; start += 9 + bytes.readUIntBE(start, 3)) {
      const name = ['DATA', 'HEADERS'][bytes.readUInt8(start + 3)];
      const ends = (bytes.readUInt8(start + 4) & 1) === 1;
      if (name) found.push([name, ends ? 'ends' : 'goes on']);
    }
    return found;
  };
  return { wire, frames };
}
