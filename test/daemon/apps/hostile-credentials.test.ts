import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, socketTo } from '../../support/calling.js';
import { file } from '../../support/folder.js';
import { derived } from '../../support/hostile-credentials.js';
import { logBook } from '../../support/log-book.js';

const environment = 'sandbox';
const passphrase = 'opensesame';
const [long] = derived;
const entry = { appId: 'hostile', environment, ...long?.source };
const busy = { faultCode: 503, faultString: /^100 keys wait to be derived, which is the limit$/ };

/** More callers than may wait for a key; who is refused comes again at once. */
function crowd(url: string): AsyncDisposable {
  const member = (name: string, value: string) =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const members = [
    member('appId', 'hostile'),
    member('environment', environment),
    member('passphrase', passphrase),
    member('cert', Buffer.from(entry.cert ?? '').toString('base64')),
  ];
  const body = callXml('apnsd.provision', `<struct>${members.join('')}</struct>`);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}`;
  const sockets = Array.from({ length: 120 }, () => {
    const socket = socketTo(url);
    const send = () => socket.write(`${head}\r\n\r\n${body}`);
    send();
    return socket.on('data', send);
  });
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(sockets.map((socket) => once(socket, 'close')));
    },
  };
}

const modern = await readFile(join(import.meta.dirname, '../../apns/credentials/p12/modern.p12'));

function provision(url: string, cert: string | Buffer, appId = 'app'): Promise<unknown> {
  return call(url, 'apnsd.provision', { appId, environment, cert, passphrase });
}

async function untilBusy(url: string): Promise<void> {
  await assert.rejects(async () => {
    for (;;) await provision(url, modern);
  }, busy);
}

test('callers who hang up while they wait for a key make room for others', async () => {
  await using daemon = await startTestDaemon();
  {
    await using _crowd = crowd(daemon.host);
    await untilBusy(daemon.host);
  }
  let taken: unknown;
  while (taken === undefined) {
    taken = await provision(daemon.host, modern).catch(({ faultCode }) => {
      assert.equal(faultCode, 503);
    });
  }
  assert.equal((taken as { topic: string }).topic, 'com.example.app');
});

test('a file that changes while there is no room to derive its key is read later', async () => {
  const book = logBook();
  await using daemon = await startTestDaemon({ daemon: { watchMs: 1, log: book.log } });
  const path = await file('apns.p12', modern);
  await provision(daemon.host, path, 'watched');
  {
    await using _crowd = crowd(daemon.host);
    await untilBusy(daemon.host);
    await file(
      'apns.p12',
      await readFile(join(import.meta.dirname, '../../apns/credentials/p12/keychain.p12')),
    );
    for (let times = 0; times < 50; times += 1) await call(daemon.host, 'system.listMethods');
  }
  await book.until('changing');
  assert.deepEqual(book.of('file refused'), []);
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
