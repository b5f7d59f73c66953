import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProviderTokens } from '../../../src/apns/credentials/provider-token.js';
import { createPool } from '../../../src/apns/http2/pool.js';
import { Apps } from '../../../src/daemon/apps/apps.js';
import { CredentialsWatch } from '../../../src/daemon/apps/watch.js';
import { createDaemon } from '../../../src/daemon/index.js';
import { createSimulator, type Simulator } from '../../../src/testing/index.js';
import { call, sendAndWait } from '../../support/calling.js';
import { folder } from '../../support/folder.js';
import { logBook } from '../../support/log-book.js';

const topic = 'com.example.app';
const environment = 'sandbox';
const day = 24 * 60 * 60 * 1000;
let folders = 0;

/** A daemon that looks at its files all the time, with an app whose certificate stands in a file. */
async function start() {
  folders += 1;
  const home = join(folder, String(folders));
  await mkdir(home);
  const path = join(home, 'apns.pem');
  const simulator = await createSimulator();
  await writeFile(path, simulator.certificate);
  const book = logBook();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
    watchMs: 5,
    log: book.log,
  });
  const provision = (cert: string) =>
    call(daemon.url, 'apnsd.provision', { appId: topic, cert, environment });
  await provision(path);
  await book.until('connected');
  return {
    home,
    path,
    simulator,
    book,
    provision,
    issue: () => simulator.issueCertificate({ topic }),
    async connectionUsed(): Promise<number | undefined> {
      const payload = { aps: { alert: 'Hello' } };
      const to: [string, string][] = [['aa11', crypto.randomUUID()]];
      const [answer] = await sendAndWait(daemon.url, topic, [{ payload, to }]);
      assert.equal(answer?.status, 'accepted', JSON.stringify(answer));
      return simulator.accepted.at(-1)?.connection;
    },
    async [Symbol.asyncDispose]() {
      await daemon.close();
      await simulator.close();
    },
  };
}

test('a file that was written over is taken, time and again', async () => {
  await using it = await start();
  let before = await it.connectionUsed();
  for (let change = 1; change <= 3; change += 1) {
    await writeFile(it.path, await it.issue());
    await it.book.until('on trial', change);
    const after = await it.connectionUsed();
    assert.notEqual(after, before);
    before = after;
  }
});

test('a file that took the place of another is taken', async () => {
  await using it = await start();
  await it.connectionUsed();
  const renewed = join(it.home, 'renewed.pem');
  await writeFile(renewed, await it.issue());
  await rename(renewed, it.path);
  await it.book.until('on trial');
  assert.equal(await it.connectionUsed(), 2);
});

test('a symbolic link in the way that leads elsewhere is followed', async () => {
  await using it = await start();
  for (const version of ['1', '2']) {
    await mkdir(join(it.home, version));
    const contents = version === '1' ? it.simulator.certificate : await it.issue();
    await writeFile(join(it.home, version, 'apns.pem'), contents);
  }
  const current = join(it.home, 'current');
  await symlink('1', current);
  await it.provision(join(current, 'apns.pem'));
  const next = join(it.home, 'next');
  await symlink('2', next);
  await rename(next, current);
  await it.book.until('on trial');
  assert.equal(await it.connectionUsed(), 2);
});

test('contents that can not be used are told once and leave the old ones working, until better ones come', async () => {
  await using it = await start();
  const expired = await it.simulator.issueCertificate({ topic, notAfter: new Date(0) });
  /** In one step, without a moment in which half of it is there. */
  const replace = async (contents: string) => {
    const renewed = join(it.home, 'renewed.pem');
    await writeFile(renewed, contents);
    await rename(renewed, it.path);
  };
  const bad: [change: () => Promise<void>, reason: RegExp][] = [
    [() => replace('nonsense'), /^cert is neither PEM text nor a \.p12 file$/],
    [() => replace(expired), /^the certificate expired on 1970-/],
    [() => rm(it.path), /^cert .*apns\.pem can't be read: ENOENT$/],
  ];
  for (const [position, [change, reason]] of bad.entries()) {
    await change();
    await it.book.until('file refused', position + 1);
    assert.match(String(it.book.of('file refused')[position]?.reason), reason);
    assert.equal(await it.connectionUsed(), 1);
  }
  await replace(await it.issue());
  await it.book.until('on trial');
  assert.equal(await it.connectionUsed(), 2);
  assert.equal(it.book.of('file refused').length, bad.length);
});

test('the same contents again, touched or replaced, change nothing', async () => {
  await using it = await start();
  const copy = join(it.home, 'copy.pem');
  await writeFile(copy, it.simulator.certificate);
  await rename(copy, it.path);
  await writeFile(it.path, it.simulator.certificate);
  // One that does change something shows that the others were looked at and found the same.
  await it.connectionUsed();
  await writeFile(it.path, await it.issue());
  await it.book.until('on trial');
  assert.equal(it.book.of('changing').length, 1);
});

test('a file counts no more once its app was provisioned with something else', async () => {
  await using it = await start();
  await it.provision(await it.issue());
  await rm(it.path);
  const other = join(it.home, 'other.pem');
  await writeFile(other, await it.issue());
  await it.provision(other);
  await writeFile(other, await it.issue());
  await it.book.until('changing', 3);
  assert.deepEqual(it.book.of('file refused'), []);
});

/** Apps without a daemon round them, with a clock that the test sets. */
function appsOf(simulator: Simulator) {
  const book = logBook();
  const apps = new Apps({
    gateways: { sandbox: simulator.url, production: simulator.url },
    ca: { sandbox: [simulator.ca], production: [simulator.ca] },
    tokens: new ProviderTokens(),
    createSender: createPool,
    log: book.log,
  });
  const clock = { now: Date.now() };
  const watch = new CredentialsWatch({ apps, log: book.log, everyMs: 1, now: () => clock.now });
  return {
    apps,
    book,
    clock,
    async [Symbol.asyncDispose]() {
      watch.close();
      await apps.close();
    },
  };
}

test('a certificate that ends within thirty days is told once a day, and no other', async () => {
  await using simulator = await createSimulator();
  await using it = appsOf(simulator);
  const end = new Date(Math.ceil(it.clock.now / 1000) * 1000 + 29 * day);
  const ending = await simulator.issueCertificate({ topic, notAfter: end });
  const { key, keyId, teamId } = simulator.key;
  await it.apps.provision({ appId: 'key', key, keyId, teamId, topic, environment });
  await it.apps.provision({ appId: 'long', cert: simulator.certificate, environment });
  await it.apps.provision({ appId: 'ending', cert: ending, environment });
  for (const [told, daysLeft] of [29, 28, 27].entries()) {
    await it.book.until('certificate ends', told + 1, 'ending');
    it.clock.now += day - 1;
    // Told of this one, a whole round has gone by in which the other was not due.
    const round = `round ${told}`;
    await it.apps.provision({ appId: round, cert: ending, environment });
    await it.book.until('certificate ends', 1, round);
    const lines = it.book.of('certificate ends').filter(({ app }) => app === 'ending');
    assert.equal(lines.length, told + 1);
    assert.deepEqual(lines[told], { app: 'ending', expiresAt: end.toISOString(), daysLeft });
    it.clock.now += 1;
  }
  const told = new Set(it.book.of('certificate ends').map(({ app }) => app));
  assert.ok(!told.has('key') && !told.has('long'));
});
