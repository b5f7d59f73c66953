import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDaemon, type DaemonOptions } from '../../src/daemon/index.js';
import { ProvisionError } from '../../src/errors.js';
import { createSimulator, startTestDaemon } from '../../src/testing/index.js';
import { call, callXml, post, send } from '../support/calling.js';
import { gateTo } from '../support/gate.js';
import { logBook } from '../support/log-book.js';

const note = { aps: { alert: 'Hello' } };

/** A daemon that has the app `app`, and its log. */
async function startDaemon(options: Omit<DaemonOptions, 'log'> = {}) {
  const book = logBook();
  const daemon = await startTestDaemon({ daemon: { ...options, log: book.log } });
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  const notify = (token: string) => call(host, 'notify', 'app', token, note);
  return Object.assign(daemon, { book, notify });
}

/** The body is to be sent with it. */
function head(body: string): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
}

async function socketTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}

async function tookMs(work: Promise<unknown>): Promise<number> {
  const before = performance.now();
  await work;
  return performance.now() - before;
}

test('the url is where it listens, with the port that port 0 became', async () => {
  for (const listen of ['127.0.0.1:0', '127.1.2.3:0', 'localhost:0']) {
    await using daemon = await createDaemon({ listen });
    assert.match(daemon.url, /^http:\/\/(127\.\d\.\d\.\d|\[::1\]):[1-9]\d+$/);
    assert.equal((await post(daemon.url, callXml('system.listMethods'))).status, 200);
  }
});

test('apps of initial are there before the first call is answered', async () => {
  await using simulator = await createSimulator();
  const { certificate: cert, key, url, ca } = simulator;
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: url },
    ca: [ca],
    initial: [
      { appId: 'one', cert, environment: 'sandbox' },
      {
        appId: 'two',
        key: key.key,
        keyId: key.keyId,
        teamId: key.teamId,
        topic: key.topic,
        environment: 'sandbox',
      },
    ],
  });
  await Promise.all(['one', 'two'].map((appId) => call(daemon.url, 'notify', appId, 'aa', note)));
  assert.equal(simulator.accepted.length, 2);
});

test('each bad entry of initial is told, and nothing is dialled, logged or listened on', async () => {
  await using simulator = await createSimulator();
  const book = logBook();
  const cert = simulator.certificate;
  const starting = createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
    log: book.log,
    initial: [
      { appId: 'good', cert, environment: 'sandbox' },
      { appId: 'bad', cert: '/no/such.pem', environment: 'sandbox' },
      { appId: 'other', cert, environment: 'test' },
      'app',
    ],
  });
  await assert.rejects(starting, (error) => {
    assert.ok(error instanceof ProvisionError);
    assert.deepEqual([...error.failures.keys()], ['initial[1]', 'initial[2]', 'initial[3]']);
    assert.match(
      error.message,
      /^not provisioned: initial\[1\]: cert \/no\/such\.pem can't be read: ENOENT; initial\[2\]: environment is "test", .*; initial\[3\]: entry is "app", expected /,
    );
    return true;
  });
  assert.deepEqual(book.events(), []);
  assert.equal(simulator.connections, 0);
});

test("a port that is taken is the system's error, and nothing is dialled or logged", async () => {
  await using other = await createDaemon({ listen: '127.0.0.1:0' });
  await using simulator = await createSimulator();
  const book = logBook();
  const entry = { appId: 'app', cert: simulator.certificate, environment: 'sandbox' };
  await assert.rejects(
    createDaemon({
      listen: new URL(other.url).host,
      gateways: { sandbox: simulator.url },
      ca: simulator.ca,
      initial: [entry],
      log: book.log,
    }),
    { code: 'EADDRINUSE' },
  );
  assert.deepEqual(book.events(), []);
  assert.equal(simulator.connections, 0);
});

test('close finishes what was accepted, and refuses new calls with fault 503', async () => {
  const daemon = await startDaemon();
  const { host, simulator, book } = daemon;
  simulator.delay(300);
  const accepted = daemon.notify('aa');
  await simulator.until(() => simulator.pending === 1);

  // Two callers that connected in time: one has begun to send, the other has not.
  const late = callXml('notify', 'app', 'bb', '<struct/>');
  const [begun, silent] = [await socketTo(host), await socketTo(host)];
  begun.write(head(late) + late.slice(0, 10));
  await call(host, 'system.listMethods');

  const closing = daemon.close();
  await book.until('stopping');
  begun.write(late.slice(10));
  silent.write(head(late) + late);
  for (const answer of await Promise.all([text(begun), text(silent)])) {
    assert.match(answer, /^HTTP\/1\.1 200 OK/);
    assert.match(answer, /\r\nConnection: close\r\n/);
    assert.match(answer, /<int>503<\/int>.*the daemon is shutting down/);
  }
  await assert.rejects(daemon.notify('cc'), { code: 'ECONNREFUSED' });

  assert.equal(await accepted, null);
  await closing;
  assert.deepEqual(
    simulator.accepted.map(({ token }) => token),
    ['aa'],
  );
  assert.deepEqual(book.events().slice(-1), ['stopped']);
});

test('what is repeated after a 503 is finished too', async () => {
  const daemon = await startDaemon();
  daemon.simulator.answer({ status: 503 }, { times: 2 });
  const accepted = daemon.notify('aa');
  await daemon.simulator.nextRequest();
  await daemon.close();
  assert.equal(await accepted, null);
});

test('close does not wait for callers that keep their connection', async () => {
  const daemon = await createDaemon({ listen: '127.0.0.1:0' });
  const listMethods = callXml('system.listMethods');
  const sockets = await Promise.all([1, 2, 3].map(() => socketTo(daemon.url)));
  for (const socket of sockets.slice(1)) socket.write(head(listMethods) + listMethods);
  await Promise.all(sockets.slice(1).map((socket) => once(socket, 'data')));
  const ended = Promise.all(sockets.map((socket) => once(socket, 'close')));
  for (const socket of sockets) socket.resume();
  assert.ok((await tookMs(daemon.close())) < 2000);
  await ended;
});

test('the drain timeout ends what hangs: at Apple, in an upload, or unread', async () => {
  const daemon = await startDaemon({
    drainTimeoutMs: 300,
    maxBodyBytes: 16 << 20,
    maxCallBytes: 16 << 20,
  });
  const { host, simulator } = daemon;
  simulator.stall({ when: 'after' });
  const stalled = daemon.notify('aa');
  await simulator.nextRequest();
  const fault = assert.rejects(stalled, {
    faultCode: 500,
    faultString: /^no answer from APNs: /,
  });

  const upload = await socketTo(host);
  upload.on('error', () => {});
  upload.write(head('x'.repeat(1000)));
  const unread = await socketTo(host);
  unread.on('error', () => {});
  unread.pause();
  const large = largeCall();
  unread.write(head(large) + large);
  await call(host, 'system.listMethods');

  const took = await tookMs(daemon.close());
  await fault;
  assert.ok(took >= 290 && took < 5000, `${took} ms`);
  unread.resume();
  await Promise.all([upload, unread].map((socket) => socket.closed || once(socket, 'close')));
});

test('an answer that is on its way when the daemon closes arrives whole', async () => {
  const daemon = await startDaemon({ maxBodyBytes: 16 << 20, maxCallBytes: 16 << 20 });
  const caller = await socketTo(daemon.host);
  caller.pause();
  const large = largeCall();
  caller.write(head(large) + large);
  // Its answer has begun, and is too large for the buffers on its way.
  await once(caller, 'readable');
  const closing = daemon.close();
  await daemon.book.until('stopping');
  const answer = await text(caller);
  assert.match(answer.slice(-200), /<\/methodResponse>\n$/);
  await closing;
});

/** A call whose answer has 10 MB: each bad member is answered with its id. */
function largeCall(): string {
  const to = Array.from({ length: 10_000 }, () => ['', 'x'.repeat(1000)]);
  const request = { timeoutMs: 1000, notifications: [{ payload: note, to }] };
  return callXml('apnsd.send', 'app', JSON.stringify(request));
}

test('close may be called twice, and once it has resolved the port is free', async () => {
  const daemon = await createDaemon({ listen: '127.0.0.1:0' });
  await call(daemon.url, 'system.listMethods');
  await Promise.all([daemon.close(), daemon.close()]);
  await daemon.close();
  await using successor = await createDaemon({ listen: new URL(daemon.url).host });
  assert.equal(successor.url, daemon.url);
});

test('a gateway that does not speak holds up nobody who closes', async () => {
  await using simulator = await createSimulator();
  await using gate = await gateTo(simulator.url);
  gate.shut();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gate.url },
    ca: simulator.ca,
    initial: [{ appId: 'app', cert: simulator.certificate, environment: 'sandbox' }],
  });
  await gate.arrived(1);
  assert.ok((await tookMs(daemon.close())) < 5000);
});

test('notifications that wait for a connection that does not come are given up at the drain timeout', async () => {
  await using simulator = await createSimulator();
  await using gate = await gateTo(simulator.url);
  gate.refuse();
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gate.url },
    ca: simulator.ca,
    drainTimeoutMs: 200,
    initial: [{ appId: 'app', cert: simulator.certificate, environment: 'sandbox' }],
  });
  const sent = send(daemon.url, 'app', [{ payload: note, to: [['aa', crypto.randomUUID()]] }]);
  await gate.arrived(2);
  assert.ok((await tookMs(daemon.close())) < 5000);
  const [answer] = await sent;
  assert.ok(answer?.status === 'failed');
  assert.equal(answer.code, 'APNS_UNAVAILABLE');
});
