/** Packages that others push with, unchanged, against the simulator: they report what they would report of Apple. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import apn from '@parse/node-apn';
import { createSimulator, type Simulator } from '../../src/testing/index.js';
import { file } from '../support/folder.js';

const [good, bad, dead] = ['aa'.repeat(32), 'bb'.repeat(32), 'cc'.repeat(32)];
const at = new Date(1_700_000_000_123);
const payload = { aps: { alert: 'Hello', badge: 3 } };

async function start() {
  const simulator = await createSimulator();
  simulator.badDeviceToken(bad);
  simulator.unregister(dead, { at });
  return simulator;
}

/** What Apple would have seen: one notification alone, then one to each token. */
function checkSeen({ requests }: Simulator): void {
  const [first, ...rest] = requests.map(({ token, status }) => `${token.slice(0, 2)} ${status}`);
  assert.equal(first, 'aa 200');
  assert.deepEqual(rest.sort(), ['aa 200', 'bb 400', 'cc 410']);
  for (const request of requests) assert.deepEqual(request.payload, payload);
}

type Credentials = Pick<apn.ProviderOptions, 'token' | 'cert' | 'key'>;

function apnProvider({ url, ca }: Simulator, credentials: Credentials): apn.Provider {
  const { hostname, port } = new URL(url);
  return new apn.Provider({ ...credentials, address: hostname, port: Number(port), ca: [ca] });
}

async function sendWithNodeApn(simulator: Simulator, credentials: Credentials): Promise<void> {
  const provider = apnProvider(simulator, credentials);
  const { topic } = simulator.key;
  const notification = new apn.Notification({ topic, pushType: 'alert', alert: 'Hello', badge: 3 });
  try {
    // With a provider token Apple takes one alone until it has seen that the token is valid.
    assert.deepEqual((await provider.send(notification, good)).failed, []);
    const { sent, failed } = await provider.send(notification, [good, bad, dead]);
    assert.deepEqual(
      sent.map(({ device }) => device),
      [good],
    );
    assert.deepEqual(
      failed.map(({ device, status, response }) => ({ device, status, response })),
      [
        { device: bad, status: 400, response: { reason: 'BadDeviceToken' } },
        {
          device: dead,
          status: 410,
          response: { reason: 'Unregistered', timestamp: at.getTime() },
        },
      ],
    );
  } finally {
    await new Promise<void>((resolve) => provider.shutdown(resolve));
  }
  checkSeen(simulator);
}

test('@parse/node-apn sends with a provider token', async () => {
  await using simulator = await start();
  const { key, keyId, teamId } = simulator.key;
  await sendWithNodeApn(simulator, { token: { key, keyId, teamId } });
});

/** Twenty at once from a provider that was never used. */
async function coldBurst(simulator: Simulator) {
  const { key, keyId, teamId, topic } = simulator.key;
  const provider = apnProvider(simulator, { token: { key, keyId, teamId } });
  const notification = new apn.Notification({ topic, pushType: 'alert', alert: 'Hello', badge: 3 });
  try {
    const devices = Array.from({ length: 20 }, (_, i) => (i + 16).toString(16).repeat(32));
    return await provider.send(notification, devices);
  } finally {
    await new Promise<void>((resolve) => provider.shutdown(resolve));
  }
}

test('@parse/node-apn loses a cold burst to the one stream that Apple allows before the first valid token', async () => {
  await using simulator = await createSimulator();
  const { sent, failed } = await coldBurst(simulator);
  assert.ok(failed.length > 0);
  assert.equal(sent.length + failed.length, 20);
});

test('@parse/node-apn sends a cold burst where more streams are allowed', async () => {
  await using simulator = await createSimulator({ coldStreams: 1000 });
  const { sent, failed } = await coldBurst(simulator);
  assert.deepEqual([sent.length, failed], [20, []]);
  assert.equal(simulator.accepted.length, 20);
});

test('@parse/node-apn sends with a certificate', async () => {
  await using simulator = await start();
  const { certificate } = simulator;
  await sendWithNodeApn(simulator, { cert: certificate, key: certificate });
});

test('apns2, which knows no other port than 443 and no authorities but those of Node, sends with a provider token', async () => {
  await using simulator = await start();
  const env = {
    ...process.env,
    NODE_EXTRA_CA_CERTS: await file('ca.pem', simulator.ca),
    APNSD_443: new URL(simulator.url).port,
  };
  const preloaded = ['--import', 'tsx', '--import', join(import.meta.dirname, 'port-443.ts')];
  const child = join(import.meta.dirname, 'send-with-apns2.ts');
  const args = [...preloaded, child, JSON.stringify(simulator.key), good, bad, dead];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  assert.deepEqual(JSON.parse(stdout), [
    { sent: good },
    { sent: good },
    { failed: bad, statusCode: 400, reason: 'BadDeviceToken' },
    { failed: dead, statusCode: 410, reason: 'Unregistered', timestamp: at.getTime() },
  ]);
  checkSeen(simulator);
});
