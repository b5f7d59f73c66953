import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { type App, createClient } from '../../src/index.js';
import { createSimulator, startTestDaemon } from '../../src/testing/index.js';
import { call, sendAndWait } from '../support/calling.js';
import { folder } from '../support/folder.js';
import { logBook } from '../support/log-book.js';

const appId = 'com.example.app';
const environment = 'sandbox';
const total = 20_000;
const atOnce = 8;
const listed = 100;

test('while the certificate changes, five times and once to a bad one, each of 20,000 notifications is accepted once', async () => {
  const book = logBook();
  await using daemon = await startTestDaemon({ daemon: { log: book.log, watchMs: 5 } });
  const { host, simulator } = daemon;
  const path = join(folder, 'apns.pem');
  const write = async (contents: string) => {
    await writeFile(`${path}.new`, contents);
    await rename(`${path}.new`, path);
  };
  await write(simulator.certificate);
  await call(host, 'apnsd.provision', { appId, cert: path, environment });

  const ids: string[] = [];
  const statuses: string[] = [];
  let finished = false;
  let carrying = 1;
  /** Goes on until the last change has come, and sends the 20,000 at least. */
  async function notify(): Promise<void> {
    while (ids.length < total || !finished) {
      const to = Array.from({ length: listed }, (_, token): [string, string] => [
        (token + 16).toString(16).padStart(4, '0'),
        crypto.randomUUID(),
      ]);
      ids.push(...to.map(([, id]) => id));
      const payload = { aps: { alert: 'Hello' } };
      const answers = await sendAndWait(host, appId, [{ payload, to }]);
      statuses.push(...answers.map((answer) => answer.status));
    }
  }
  /** Once the new connection carries notifications. */
  async function changed(times: number): Promise<void> {
    await book.until('changed', times);
    const latest = () => simulator.accepted.at(-1)?.connection ?? 0;
    await simulator.until(() => latest() > carrying);
    carrying = latest();
  }
  async function change(): Promise<void> {
    const renewed = () => simulator.issueCertificate({ topic: appId });
    for (const changes of [1, 2]) {
      await call(host, 'apnsd.provision', { appId, cert: await renewed(), environment });
      await changed(changes);
    }
    await call(host, 'apnsd.provision', { appId, cert: path, environment });
    await changed(3);
    await write('-----BEGIN CERTIFICATE-----');
    await book.until('file refused');
    const expired = await simulator.issueCertificate({ topic: appId, notAfter: new Date(0) });
    await assert.rejects(call(host, 'apnsd.provision', { appId, cert: expired, environment }), {
      faultCode: 422,
    });
    await write(await renewed());
    await changed(4);
    const { key, keyId, teamId } = simulator.key;
    await call(host, 'apnsd.provision', { appId, key, keyId, teamId, topic: appId, environment });
    await changed(5);
    finished = true;
  }
  await Promise.all([change(), ...Array.from({ length: atOnce }, notify)]);

  assert.ok(ids.length >= total);
  assert.equal(statuses.length, ids.length);
  assert.deepEqual([...new Set(statuses)], ['accepted']);
  assert.equal(simulator.counts.requests, ids.length);
  const arrived = new Set(simulator.accepted.map(({ id }) => id));
  assert.deepEqual(arrived, new Set(ids));
  const carried = new Set(simulator.accepted.map(({ connection }) => connection));
  assert.ok(carried.size >= 6, `${carried.size} connections carried notifications`);
});

test('the first call after configure(), or of an app that was restarted, goes by the new settings: twenty times of twenty', async () => {
  await using sandbox = await createSimulator({ topics: ['com.example.one'] });
  await using production = await createSimulator({
    environment: 'production',
    topics: ['com.example.two'],
  });
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: sandbox.url, production: production.url },
    ca: [sandbox.ca, production.ca],
  });
  const { url: host } = daemon;
  const { key, keyId, teamId, topic } = production.key;
  const settings: App[] = [
    { appId, cert: sandbox.certificate, environment: 'sandbox' },
    { appId, key, keyId, teamId, topic, environment: 'production' },
  ];
  const expected = { sandbox: 0, production: 0 };
  let client = createClient({ host });
  for (let change = 0; change < 20; change += 1) {
    const entry = settings[change % 2];
    assert.ok(entry);
    const options = { host, initial: [entry] };
    if (change < 10) client.configure(options);
    else {
      await client.close();
      client = createClient(options);
    }
    const receipts = await Promise.all([1, 2].map(() => client.notify('aa11', 'Hello')));
    assert.deepEqual(
      receipts.map(({ status }) => status),
      ['accepted', 'accepted'],
    );
    expected[entry.environment] += 2;
    assert.deepEqual(
      { sandbox: sandbox.counts.accepted, production: production.counts.accepted },
      expected,
    );
  }
  await client.close();
  for (const simulator of [sandbox, production]) {
    assert.equal(simulator.counts.requests, 20);
    assert.deepEqual(
      new Set(simulator.accepted.map(({ topic }) => topic)),
      new Set([simulator.key.topic]),
    );
  }
});
