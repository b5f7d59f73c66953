import assert from 'node:assert/strict';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { createSimulator, startTestDaemon } from '../../src/testing/index.js';
import { call } from '../support/calling.js';
import { file, folder } from '../support/folder.js';
import { logBook } from '../support/log-book.js';

const root = join(folder, 'certs');
await mkdir(join(root, 'deep'), { recursive: true });
const sibling = join(folder, 'certs-of-others');
await mkdir(sibling);

async function startDaemon(certRoot = root) {
  const daemon = await startTestDaemon({ daemon: { certRoot } });
  const provision = async (cert: string) => {
    await call(daemon.host, 'provision', 'app', cert, 'sandbox');
    await call(daemon.host, 'apnsd.provision', { appId: 'app', cert, environment: 'sandbox' });
  };
  return Object.assign(daemon, { provision });
}

test('files in the folder can be named, by any way that leads there, and PEM text can be sent', async () => {
  await using daemon = await startDaemon();
  const { certificate } = daemon.simulator;
  const path = join(root, 'deep', 'apns.pem');
  await writeFile(path, certificate);
  await symlink('deep/apns.pem', join(root, 'link.pem'));
  await symlink(path, join(folder, 'into.pem'));
  await symlink(root, join(folder, 'certs-link'));
  const paths = [
    path,
    join(root, 'link.pem'),
    join(folder, 'into.pem'),
    join(folder, 'certs-link', 'link.pem'),
    `${root}/deep/../deep//apns.pem`,
    `${sibling}/../certs/deep/apns.pem`,
  ];
  for (const cert of [...paths, certificate]) await daemon.provision(cert);
});

test('what lies outside is refused, and nobody learns whether it is there', async () => {
  await using daemon = await startDaemon();
  const { certificate } = daemon.simulator;
  const outside = await file('outside.pem', certificate);
  await writeFile(join(sibling, 'apns.pem'), certificate);
  await symlink(outside, join(root, 'out.pem'));
  await symlink(sibling, join(root, 'out'));
  await symlink('/no/such.pem', join(root, 'nowhere.pem'));
  const paths = [
    outside,
    '/etc/passwd',
    '/no/such.pem',
    '/dev/zero',
    join(sibling, 'apns.pem'),
    join(root, 'out.pem'),
    join(root, 'out', 'apns.pem'),
    join(root, 'nowhere.pem'),
    join(root, 'none.pem'),
    `${root}/../outside.pem`,
    `${root}/deep/../../outside.pem`,
    folder,
  ];
  for (const cert of paths) {
    for (const [method, ...params] of [
      ['provision', 'app', cert, 'sandbox'],
      ['apnsd.provision', { appId: 'app', cert, environment: 'sandbox' }],
      [
        'apnsd.provision',
        { appId: 'app', key: cert, environment: 'sandbox', keyId: 'A', teamId: 'B', topic: 'c' },
      ],
    ] as [string, ...unknown[]][]) {
      await assert.rejects(call(daemon.host, method, ...params), ({ faultCode, faultString }) => {
        assert.equal(faultCode, 422);
        const says = `${cert} is no file in ${root}, where all have to be`;
        assert.match(faultString, /^(cert|key) /);
        assert.equal(faultString.slice(faultString.indexOf(' ') + 1), says);
        return true;
      });
    }
  }
});

test('the folder itself, and what is no regular file in it, are refused', async () => {
  await using daemon = await startDaemon();
  for (const cert of [root, join(root, 'deep')]) {
    await assert.rejects(daemon.provision(cert), {
      faultCode: 422,
      faultString: `cert ${cert} is not a regular file`,
    });
  }
});

test('the folder may be a link that is changed while the daemon runs, and relative to where it runs', async () => {
  await using simulator = await createSimulator();
  const [one, two, link] = ['one', 'two', 'current'].map((name) => join(folder, name));
  assert.ok(one && two && link);
  for (const each of [one, two]) await mkdir(each);
  await writeFile(join(two, 'apns.pem'), simulator.certificate);
  await symlink(one, link);
  await using daemon = await startDaemon(relative(process.cwd(), link));
  const path = join(link, 'apns.pem');
  await assert.rejects(daemon.provision(path), { faultCode: 422 });
  await symlink(two, `${link}.new`);
  await rename(`${link}.new`, link);
  await daemon.provision(path);
});

test('a file that is looked at again must still be in the folder', async () => {
  const book = logBook();
  const options = { certRoot: root, watchMs: 5, log: book.log };
  await using daemon = await startTestDaemon({ daemon: options });
  const { certificate } = daemon.simulator;
  const path = join(root, 'watched.pem');
  await writeFile(path, certificate);
  await call(daemon.host, 'provision', 'app', path, 'sandbox');
  await symlink(await file('moved-out.pem', certificate), `${path}.new`);
  await rename(`${path}.new`, path);
  await book.until('file refused');
  assert.deepEqual(book.of('file refused'), [
    { app: 'app', reason: `cert ${path} is no file in ${root}, where all have to be` },
  ]);
});

test("entries of initial are the operator's own, and may lie anywhere", async () => {
  await using simulator = await createSimulator();
  const cert = await file('anywhere.pem', simulator.certificate);
  const initial = [{ appId: 'app', cert, environment: 'sandbox' }];
  await using daemon = await startTestDaemon({ daemon: { certRoot: root, initial } });
  const { apps } = (await call(daemon.host, 'apnsd.status')) as { apps: unknown[] };
  assert.equal(apps.length, 1);
});
