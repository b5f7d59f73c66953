import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import createDebug from 'debug';
import { jsonLog } from '../../src/daemon/config/json-log.js';
import { type App, ConfigError, CredentialsError, createClient } from '../../src/index.js';
import { startTestDaemon } from '../../src/testing/index.js';
import { call } from '../support/calling.js';
import { file } from '../support/folder.js';

const environment = 'sandbox';
const topic = 'com.example.app';
const passphrase = 'Sesam, öffne dich';

/** All that was said: log lines, debug lines, faults, errors with their causes, the status. */
const said: string[] = [];
const { log: debugLog } = createDebug;
createDebug.log = (...words) => said.push(inspect(words));
createDebug.enable('apnsd:*');
after(() => {
  createDebug.log = debugLog;
  createDebug.disable();
});

/** Long enough to be no chance, short enough to be found in a piece of the text. */
function piecesOf(text: string): string[] {
  return text.match(/[A-Za-z0-9+/]{12}/g) ?? [];
}

async function startAll() {
  const daemon = await startTestDaemon({
    daemon: { log: jsonLog((line) => said.push(line)), watchMs: 5 },
  });
  const { simulator } = daemon;
  const keyPem = simulator.certificate.slice(simulator.certificate.indexOf('-----BEGIN PRIVATE'));
  const certificatePem = simulator.certificate.slice(0, -keyPem.length);
  const encrypted = createPrivateKey(keyPem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
    .toString();
  const p12 = await readFile(join(import.meta.dirname, '../apns/credentials/p12/keychain.p12'));
  const secrets = [
    ...piecesOf(keyPem.replace(/-----.*-----/g, '')),
    ...piecesOf(simulator.key.key.replace(/-----.*-----/g, '')),
    ...piecesOf(encrypted.replace(/-----.*-----/g, '')),
    ...piecesOf(p12.toString('base64')),
    passphrase,
    'opensesame',
  ];
  const assertUnsaid = () => {
    assert.ok(said.length > 0);
    for (const text of said) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} in ${text}`);
    }
  };
  return Object.assign(daemon, { keyPem, certificatePem, encrypted, p12, assertUnsaid });
}

test('no fault, log line or status of the daemon has a piece of a key, of a .p12 or of a passphrase', async () => {
  await using it = await startAll();
  const { host, simulator, keyPem, certificatePem, encrypted, p12 } = it;
  const { key, keyId, teamId } = simulator.key;
  const bare = keyPem.replace(/-----.*-----|\n/g, '');
  const base64 = p12.toString('base64');
  const certs: unknown[] = [
    keyPem,
    bare,
    `/${bare}`,
    `/${keyPem}`,
    keyPem.replaceAll('-----', '----'),
    keyPem.replaceAll('PRIVATE KEY', 'CERTIFICATE'),
    certificatePem + keyPem.slice(0, 200),
    certificatePem + keyPem.replace('MII', 'MIX'),
    certificatePem + encrypted,
    certificatePem + encrypted.replace('MII', 'MIX'),
    it.simulator.ca + keyPem,
    base64,
    base64.slice(0, 1000),
    p12,
    p12.subarray(1),
    Buffer.from(keyPem),
    Buffer.from(bare),
    await file('key.pem', keyPem),
    await file('bare.pem', bare),
    await file('keychain.p12', p12),
    { pem: keyPem },
    [keyPem],
  ];
  const entries: object[] = certs.flatMap((cert) => [
    { appId: 'a', environment, cert },
    { appId: 'a', environment, cert, passphrase: `${passphrase}?` },
  ]);
  entries.push(
    { appId: 'a', environment, key: bare, keyId, teamId, topic },
    { appId: 'a', environment, key: key.slice(0, 100), keyId, teamId, topic },
    { appId: 'a', environment, key: encrypted, passphrase, keyId, teamId, topic },
    { appId: 'a', environment, key, keyId: key, teamId: key, topic: key },
    { appId: 'a', environment, cert: simulator.certificate, topic: keyPem },
    { appId: 'a', environment: keyPem, cert: simulator.certificate },
    { appId: 'a', environment, cert: simulator.certificate, [keyPem]: 'x' },
    { appId: 'a', environment, cert: simulator.certificate, passphrase: [passphrase] },
    { appId: keyPem, environment, cert: 'x', passphrase },
  );
  for (const entry of entries) {
    const error = await call(host, 'apnsd.provision', entry).then(
      () => assert.fail(`taken: ${Object.keys(entry)}`),
      (error) => error,
    );
    said.push(inspect(error, { depth: 10 }));
  }
  await assert.rejects(call(host, 'provision', keyPem, keyPem, keyPem), (error) => {
    said.push(inspect(error, { depth: 10 }));
    return true;
  });
  await assert.rejects(call(host, 'notify', keyPem, keyPem, { aps: {} }), (error) => {
    said.push(inspect(error, { depth: 10 }));
    return true;
  });
  it.assertUnsaid();
});

test('the status and the log of apps that work have none either, also as their files go bad and Apple says no', async () => {
  await using it = await startAll();
  const { host, simulator, certificatePem, encrypted, keyPem } = it;
  const cert = await file('working.pem', certificatePem + encrypted);
  await call(host, 'apnsd.provision', { appId: 'a', environment, cert, passphrase });
  const { key, keyId, teamId } = simulator.key;
  await call(host, 'apnsd.provision', { appId: 'b', environment, key, keyId, teamId, topic });
  for (const appId of ['a', 'b']) {
    await call(host, 'notify', appId, 'aa11', { aps: { alert: 'Hello' } });
    simulator.answer({ status: 403, reason: 'BadCertificate' });
    await assert.rejects(call(host, 'notify', appId, 'aa11', { aps: { alert: 'Hello' } }));
  }
  await file('working.pem', keyPem);
  while (!said.some((line) => line.includes('file refused'))) {
    await call(host, 'apnsd.status');
  }
  said.push(JSON.stringify(await call(host, 'apnsd.status')));
  it.assertUnsaid();
});

test("no error and no debug line of the client's has one", async () => {
  await using it = await startAll();
  const { host, keyPem, certificatePem, encrypted, p12 } = it;
  const bare = keyPem.replace(/-----.*-----|\n/g, '');
  const rows: object[] = [
    { cert: bare },
    { cert: { pem: keyPem } },
    { cert: Buffer.from(bare) },
    { cert: keyPem, key: keyPem },
    { cert: keyPem, passphrase: [passphrase] },
    { cert: certificatePem + encrypted, passphrase: `${passphrase}?` },
    { cert: certificatePem + encrypted },
    { cert: p12, passphrase: `${passphrase}\u0001` },
    { cert: p12, passphrase },
    { cert: p12 },
  ];
  for (const row of rows) {
    const app = { appId: 'a', environment, ...row } as unknown as App;
    try {
      await using client = createClient({ host, initial: [app] });
      said.push(inspect(client, { depth: 10, showHidden: true }));
      await client.notify('aa11', 'Hello');
      assert.fail('it was accepted');
    } catch (error) {
      said.push(inspect(error, { depth: 10 }));
    }
  }
  it.assertUnsaid();
});

test('a client whose .p12 is a Buffer pushes, with the passphrase and not without', async () => {
  await using it = await startTestDaemon();
  const cert = await pkcs12Of(it.simulator.certificate, passphrase);
  const app = { appId: 'a', environment, cert } as const;
  await using client = createClient({ host: it.host, initial: [{ ...app, passphrase }] });
  assert.equal((await client.notify('aa11', 'Hello')).status, 'accepted');
  await using other = createClient({ host: it.host, initial: [app] });
  await assert.rejects(other.notify('aa11', 'Hello'), CredentialsError);
  assert.throws(
    () => createClient({ initial: [{ ...app, cert: 'apns.p12', passphrase }] }),
    ConfigError,
  );
});

/** As node-forge writes it: the key by triple DES. */
async function pkcs12Of(pem: string, passphrase: string): Promise<Buffer> {
  const { default: forge } = await import('node-forge');
  const key = forge.pki.privateKeyFromPem(pem.slice(pem.indexOf('-----BEGIN PRIVATE')));
  const p12 = forge.pkcs12.toPkcs12Asn1(key, [forge.pki.certificateFromPem(pem)], passphrase, {
    algorithm: '3des',
  });
  return Buffer.from(forge.asn1.toDer(p12).getBytes(), 'binary');
}
