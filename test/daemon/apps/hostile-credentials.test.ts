import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, socketTo } from '../../support/calling.js';
import { derived } from '../../support/hostile-credentials.js';

const environment = 'sandbox';
const passphrase = 'opensesame';
const [long] = derived;
const entry = { appId: 'hostile', environment, ...long?.source };
const busy = { faultCode: 503, faultString: /^100 keys wait to be derived, which is the limit$/ };

test('callers who hang up while they wait for a key make room for others', async () => {
  await using daemon = await startTestDaemon();
  const cert = (
    await readFile(join(import.meta.dirname, '../../apns/credentials/p12/modern.p12'))
  ).toString('base64');
  const provision = () =>
    call(daemon.host, 'apnsd.provision', { appId: 'app', environment, cert, passphrase });
  const member = (name: string, value: string) =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const bytes = Buffer.from(entry.cert as Uint8Array).toString('base64');
  const body = callXml(
    'apnsd.provision',
    `<struct>${member('appId', 'a')}${member('environment', environment)}${member('passphrase', passphrase)}${member('cert', bytes)}</struct>`,
  );
  const sockets = Array.from({ length: 101 }, () => {
    const socket = socketTo(daemon.host);
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return socket;
  });
  await assert.rejects(async () => {
    for (;;) await provision();
  }, busy);
  for (const socket of sockets) socket.destroy();
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  const isBusy = (error: { faultCode: number }) => {
    assert.equal(error.faultCode, 503);
    return undefined;
  };
  let taken: unknown;
  while (taken === undefined) taken = await provision().catch(isBusy);
  assert.equal((taken as { topic: string }).topic, 'com.example.app');
});

test('a daemon that stops waits for no key: who asked for one hears that it is too late', async () => {
  const daemon = await createDaemon({ listen: '127.0.0.1:0' });
  const provisioned = assert.rejects(call(daemon.url, 'apnsd.provision', entry), {
    faultCode: 503,
    faultString: /the key is not derived: the daemon stops/,
  });
  // Came later, so that the other is being answered.
  await call(daemon.url, 'apnsd.status');
  await daemon.close();
  await provisioned;
});
