import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDaemon, type DaemonOptions } from '../../../src/daemon/index.js';
import { ConfigError } from '../../../src/errors.js';
import { createAuthority, startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, faultCodeOf, post, socketTo } from '../../support/calling.js';
import { logBook } from '../../support/log-book.js';

const listen = '127.0.0.1:0';
const listMethods = callXml('system.listMethods');
const note = { aps: { alert: 'Hello' } };

/** XML of arrays within each other. */
function nested(depth: number): string {
  const open = '<array><data><value>'.repeat(depth - 1);
  return `${open}<array><data></data></array>${'</value></data></array>'.repeat(depth - 1)}`;
}

async function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

test('a call that is too deep, too long or of too many values is fault -32600 that says which and how much', async () => {
  const limits = { maxDepth: 3, maxValues: 10, maxNameLength: 20, maxTextLength: 100 };
  await using daemon = await createDaemon({ listen, ...limits });
  const long = 'x'.repeat(101);
  const many = `<array><data>${'<value>1</value>'.repeat(10)}</data></array>`;
  const name = 'n'.repeat(21);
  const member = `<struct><member><name>${name}</name><value>1</value></member></struct>`;
  const cases: [body: string, says: string][] = [
    [callXml('m', nested(4)), 'found 4 levels of arrays and structs, expected at most 3'],
    [callXml('m', many), 'found 11 values, expected at most 10'],
    [callXml(name), 'found 21 characters in a name, expected at most 20'],
    [callXml('m', member), 'found 21 characters in a name, expected at most 20'],
    [callXml('m', long), 'found 101 characters in a value, expected at most 100'],
    [callXml('m', `<base64>${long}</base64>`), 'found 101 characters in a value, expected at'],
  ];
  for (const [body, says] of cases) {
    const answer = await post(daemon.url, body);
    assert.equal(faultCodeOf(answer), -32600, says);
    assert.ok(answer.text.includes(says), `${says}: ${answer.text}`);
  }
  const within = callXml('system.methodHelp', nested(3), 'x'.repeat(100));
  assert.equal(faultCodeOf(await post(daemon.url, within)), 400);
});

test('structures as deep as can be allowed are read, and sent', async () => {
  const maxDepth = 500;
  await using daemon = await startTestDaemon({ daemon: { maxDepth } });
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  const payload = (depth: number) =>
    `<struct><member><name>a</name><value>${nested(depth - 1)}</value></member></struct>`;
  const deepest = callXml('notify', 'app', 'aa', payload(maxDepth));
  assert.equal(faultCodeOf(await post(host, deepest)), undefined);
  assert.equal(simulator.accepted.length, 1);
  const deeper = callXml('notify', 'app', 'aa', payload(maxDepth + 1));
  assert.equal(faultCodeOf(await post(host, deeper)), -32600);
});

test('JSON text of any depth is answered', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  for (const depth of [1000, 100_000, 1_000_000]) {
    const deep = '['.repeat(depth) + ']'.repeat(depth);
    const to = [['aa', crypto.randomUUID()]];
    const request = `{"timeoutMs":5000,"notifications":[{"payload":{"a":${deep}},"to":${JSON.stringify(to)}}]}`;
    const answer = await post(host, callXml('apnsd.send', 'app', request));
    assert.equal(answer.status, 200);
    const fault = faultCodeOf(answer);
    assert.ok(fault === undefined || fault === 400, `${depth}: ${answer.text.slice(0, 300)}`);
  }
});

test('a call beyond those in flight is fault 503, and there is room again once one is answered', async () => {
  await using daemon = await startTestDaemon({ daemon: { maxCalls: 2 } });
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  const release = simulator.hold({ times: 2 });
  const notified = ['aa', 'bb'].map((token) => call(host, 'notify', 'app', token, note));
  await simulator.until(() => simulator.pending === 2);
  await assert.rejects(call(host, 'system.listMethods'), {
    faultCode: 503,
    faultString: '2 calls are in flight, which is the limit',
  });
  release();
  assert.deepEqual(await Promise.all(notified), [null, null]);
  assert.ok(Array.isArray(await call(host, 'system.listMethods')));
});

test('a caller that has begun to send counts as a call in flight until it hangs up', async () => {
  await using daemon = await createDaemon({ listen, maxCalls: 1 });
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n';
  for (let round = 0; round < 3; round += 1) {
    const socket = socketTo(daemon.url);
    socket.write(head);
    // 100 Continue: the daemon has the headers.
    await once(socket, 'data');
    assert.equal(faultCodeOf(await post(daemon.url, listMethods)), 503);
    const ended = once(socket, 'close');
    socket.destroy();
    await ended;
    let answer = await post(daemon.url, listMethods);
    while (faultCodeOf(answer) === 503) answer = await post(daemon.url, listMethods);
    assert.equal(faultCodeOf(answer), undefined);
  }
});

test('bodies that together are over the limit are fault 503, and leave nothing behind', async () => {
  const limits = { maxBodyBytes: 1000, maxCallBytes: 1500 };
  await using daemon = await createDaemon({ listen, ...limits });
  const slow = socketTo(daemon.url);
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n';
  slow.write(head);
  await once(slow, 'data');
  slow.write('x'.repeat(900));
  const answers = async (size: number) =>
    faultCodeOf(await post(daemon.url, listMethods.padEnd(size)));
  while ((await answers(900)) !== 503);
  assert.equal(await answers(500), undefined);
  assert.equal((await post(daemon.url, 'x'.repeat(1001))).status, 413);
  const answer = await post(daemon.url, listMethods.padEnd(900));
  assert.match(answer.text, /the calls in flight are over 1500 bytes, which is the limit/);
  slow.end('x'.repeat(100));
  assert.match(await text(slow), /-32700/);
  for (let round = 0; round < 3; round += 1) assert.equal(await answers(900), undefined);
});

test('who holds back large bodies does not shut out small ones', async () => {
  const limits = { maxBodyBytes: 10_000, maxCallBytes: 10_000, maxCalls: 10 };
  await using daemon = await createDaemon({ listen, ...limits });
  const slow = socketTo(daemon.url);
  slow.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\nExpect: 100-continue\r\n\r\n');
  await once(slow, 'data');
  slow.write('x'.repeat(9999));
  const sized = async (size: number) =>
    faultCodeOf(await post(daemon.url, listMethods.padEnd(size)));
  while ((await sized(1001)) !== 503);
  assert.equal(await sized(1000), undefined);
  slow.destroy();
});

test('one connection more than allowed is closed at once, with a line in the log', async () => {
  const book = logBook();
  await using daemon = await createDaemon({ listen, maxConnections: 2, log: book.log });
  const kept = [socketTo(daemon.url), socketTo(daemon.url)];
  await Promise.all(kept.map((socket) => once(socket, 'connect')));
  const onKept = kept[0];
  assert.ok(onKept);
  const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${listMethods.length}\r\n\r\n`;
  onKept.write(request + listMethods);
  await once(onKept, 'data');
  await closed(socketTo(daemon.url));
  assert.deepEqual(book.of('connection refused'), [
    { reason: 'there are 2 connections already', from: '127.0.0.1' },
  ]);
  const [first, second] = kept.map(closed);
  onKept.destroy();
  await first;
  let answer: { status: number } | undefined;
  while (!answer) answer = await post(daemon.url, listMethods).catch(() => undefined);
  assert.equal(answer.status, 200);
  kept[1]?.destroy();
  await second;
});

test('who is slow to send headers or body is told 408 and let go', async () => {
  const timeouts = { headersTimeoutMs: 100, requestTimeoutMs: 300 };
  await using daemon = await createDaemon({ listen, ...timeouts });
  const parts = [
    '',
    'POST / HT',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Le',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n<method',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<meth\r\n',
  ];
  for (const part of parts) {
    const socket = socketTo(daemon.url);
    socket.write(part);
    assert.match(await text(socket), /^HTTP\/1\.1 408 /, part);
  }
  assert.equal((await post(daemon.url, listMethods)).status, 200);
});

test('who is slow to shake hands over TLS is let go', async () => {
  const authority = await createAuthority();
  const { certificate: cert, key } = await authority.serverCertificate();
  await using daemon = await createDaemon({ listen, tls: { cert, key }, headersTimeoutMs: 100 });
  const socket = socketTo(daemon.url);
  socket.write('\x16');
  await closed(socket);
  const { status } = await post(daemon.url, listMethods, { tls: { ca: authority.ca } });
  assert.equal(status, 200);
});

test('a request that takes long at Apple is not slow', async () => {
  const timeouts = { headersTimeoutMs: 50, requestTimeoutMs: 100 };
  await using daemon = await startTestDaemon({ daemon: timeouts });
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  simulator.delay(1500);
  assert.equal(await call(host, 'notify', 'app', 'aa', note), null);
});

test('a limit that makes no sense is a ConfigError', async () => {
  const cases: [options: DaemonOptions, message: string][] = [
    [{ maxBodyBytes: 1.5 }, 'maxBodyBytes is 1.5, expected a whole number'],
    [{ maxDepth: 501 }, 'maxDepth is 501, expected a number from 1 to 500'],
    [{ maxCalls: 0 }, 'maxCalls is 0, expected a number from 1 to 1000000'],
    [
      { maxCallBytes: 1000 },
      'maxCallBytes is 1000, expected a number from 4194304 to 9007199254740991',
    ],
    [
      { headersTimeoutMs: 2000, requestTimeoutMs: 1000 },
      'headersTimeoutMs is 2000, expected a number from 1 to 1000',
    ],
  ];
  for (const [options, message] of cases) {
    await assert.rejects(createDaemon({ listen, ...options }), new ConfigError(message));
  }
});
