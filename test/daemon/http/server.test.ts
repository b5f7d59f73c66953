import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, faultCodeOf, post, socketTo } from '../../support/calling.js';

const listen = '127.0.0.1:0';
const listMethods = callXml('system.listMethods');

test('a call may be posted to any path', async () => {
  await using daemon = await createDaemon({ listen });
  for (const path of ['/', '/RPC2', '/some/where?else=1', '//', '*']) {
    const answer = await post(daemon.url, listMethods, { path });
    assert.equal(answer.status, 200, path);
    assert.match(answer.text, /<string>apnsd\.send<\/string>/);
    assert.equal(answer.headers['content-type'], 'text/xml');
    assert.equal(answer.headers['content-length'], String(Buffer.byteLength(answer.text)));
  }
});

test('whatever is no POST is answered 405, which names POST', async () => {
  await using daemon = await createDaemon({ listen });
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
    const answer = await post(daemon.url, '', { method });
    assert.equal(answer.status, 405, method);
    assert.equal(answer.headers.allow, 'POST');
    assert.equal(answer.text, 'an XML-RPC call is a POST\n');
  }
});

test('what is wrong with a call is a fault over HTTP 200 that says what', async () => {
  await using daemon = await createDaemon({ listen });
  const cases: [body: string, faultCode: number, says: RegExp][] = [
    ['', -32700, /body ends/],
    ['hello', -32700, /expected XML/],
    ['{"method":"notify"}', -32700, /expected XML/],
    [listMethods.slice(0, -5), -32700, /methodCall/],
    ['<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', -32700, /DOCTYPE/],
    ['<!DOCTYPE methodCall><methodCall></methodCall>', -32700, /DOCTYPE/],
    [callXml('notify', '&nbsp;'), -32700, /nbsp/],
    ['<methodResponse></methodResponse>', -32600, /methodCall/],
    ['<methodCall></methodCall>', -32600, /methodName/],
    [callXml('notify', '<int>one</int>'), -32600, /expected an integer/],
    [callXml('no.such'), -32601, /no\.such.*system\.listMethods/],
    [callXml('constructor'), -32601, /constructor/],
    [callXml('__proto__'), -32601, /__proto__/],
    [callXml('NotFound'), -32601, /NotFound/],
    [callXml('métode'), -32601, /no method "m\\u\{e9\}tode"/],
    [callXml('x'.repeat(41)), -32601, /no method "x{16}\.\.\." \(41 characters\)/],
    [callXml('notify', 'ü', 'aa', '<struct/>'), 404, /app "\\u\{fc\}" is not/],
    [`${listMethods}ü`, -32700, /follows/],
    [callXml('notify', '<ü/>'), -32600, /\\u\{fc\}/],
  ];
  for (const [body, faultCode, says] of cases) {
    const answer = await post(daemon.url, body);
    assert.equal(answer.status, 200, body);
    assert.equal(faultCodeOf(answer), faultCode, body);
    assert.match(answer.text, says, body);
    // Python 2.7 raises at anything else in a fault.
    assert.match(answer.text, /^[\n -~]+$/, body);
  }
});

test('a body over the limit is answered 413, with a length and without, and the next call is served', async () => {
  await using daemon = await createDaemon({ listen, maxBodyBytes: 1000 });
  const whole = listMethods.padEnd(1000);
  assert.equal((await post(daemon.url, whole)).status, 200);
  const tooLong = [
    { 'Content-Length': 1001 },
    { 'Transfer-Encoding': 'chunked' },
    { 'Content-Length': 1001, Expect: '100-continue' },
  ];
  for (const headers of tooLong) {
    const answer = await post(daemon.url, `${whole} `, { headers });
    assert.equal(answer.status, 413, JSON.stringify(headers));
    assert.equal(answer.text, 'the body is over 1000 bytes\n');
  }
  assert.equal((await post(daemon.url, whole)).status, 200);
});

test('a caller that listens only once it has sent everything is told 413 too', async () => {
  await using daemon = await createDaemon({ listen, maxBodyBytes: 1000 });
  const socket = socketTo(daemon.url);
  const size = 8 << 20;
  socket.pause();
  socket.write(
    `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`,
  );
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.write(Buffer.alloc(size), (error) => (error ? reject(error) : resolve()));
  });
  assert.match(await text(socket), /^HTTP\/1\.1 413 /);
});

test('a caller of HTTP/1.0 gets a length, no chunks, and the end of its connection', async () => {
  await using daemon = await createDaemon({ listen });
  const socket = socketTo(daemon.url);
  socket.write(`POST / HTTP/1.0\r\nContent-Length: ${listMethods.length}\r\n\r\n${listMethods}`);
  const answer = await text(socket);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /\r\nContent-Length: \d+\r\n/);
  assert.doesNotMatch(answer, /chunked/i);
  assert.match(answer, /<\/methodResponse>\n$/);
});

test('callers keep their connection, and may send calls ahead of the answers', async () => {
  await using daemon = await createDaemon({ listen });
  const { hostname, port } = new URL(daemon.url);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new Set<Socket>();
  for (let i = 0; i < 3; i += 1) {
    const one = request({ hostname, port, method: 'POST', agent }).end(listMethods);
    const [response] = await once(one, 'response');
    await text(response);
    sockets.add(one.socket as Socket);
  }
  assert.equal(sockets.size, 1);
  agent.destroy();

  const socket = socketTo(daemon.url);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${listMethods.length}\r\n`;
  socket.write(`${head}\r\n${listMethods}`.repeat(3));
  socket.write(`${head}Connection: close\r\n\r\n${listMethods}`);
  assert.equal((await text(socket)).match(/^HTTP\/1\.1 200 OK/gm)?.length, 4);
});

test('a caller that hangs up in the middle of its call harms nobody', async () => {
  await using daemon = await createDaemon({ listen });
  for (const part of ['POST', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n<method']) {
    const socket = socketTo(daemon.url);
    socket.write(part);
    await once(socket, 'ready');
    socket.resetAndDestroy();
  }
  assert.equal((await post(daemon.url, listMethods)).status, 200);
});

test('what was called by a caller that hung up is done all the same', async () => {
  await using daemon = await startTestDaemon();
  const { host, initial, simulator } = daemon;
  await call(host, 'apnsd.provision', ...initial);
  simulator.delay(50);
  const body = callXml(
    'notify',
    `<string>${initial[0]?.appId}</string>`,
    '<string>aa11</string>',
    '<struct><member><name>aps</name><value><struct/></value></member></struct>',
  );
  const socket = socketTo(host);
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await simulator.until(() => simulator.pending === 1);
  socket.resetAndDestroy();
  await daemon.close();
  assert.deepEqual(
    simulator.accepted.map(({ token }) => token),
    ['aa11'],
  );
});

test('bytes that are no HTTP are answered 400, and the next call is served', async () => {
  await using daemon = await createDaemon({ listen });
  const socket = socketTo(daemon.url);
  socket.write('\x16\x03\x01 this is TLS, say\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1\.1 400 /);
  assert.equal((await post(daemon.url, listMethods)).status, 200);
});

test('members named as what every object has are plain data, on their way to Apple too', async () => {
  await using daemon = await startTestDaemon();
  const { host, initial, simulator } = daemon;
  await call(host, 'apnsd.provision', ...initial);
  const appId = initial[0]?.appId ?? '';
  const payload = '{"__proto__":{"admin":1},"constructor":{"prototype":"x"},"toString":"y"}';
  const member = (name: string, value: string) =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const struct = (...members: string[]) => `<struct>${members.join('')}</struct>`;
  const sent = await post(
    host,
    callXml(
      'notify',
      appId,
      'aa11',
      struct(
        member('__proto__', struct(member('admin', '<int>1</int>'))),
        member('constructor', struct(member('prototype', 'x'))),
        member('toString', 'y'),
      ),
    ),
  );
  assert.equal(faultCodeOf(sent), undefined);
  const to = JSON.stringify([['aa11', crypto.randomUUID()]]);
  const request = `{"timeoutMs":5000,"notifications":[{"payload":${payload},"to":${to}}]}`;
  assert.match(String(await call(host, 'apnsd.send', appId, request)), /"status":"accepted"/);
  assert.deepEqual(
    simulator.accepted.map(({ payload }) => JSON.stringify(payload)),
    [payload, payload],
  );
  assert.equal(Reflect.get({}, 'admin'), undefined);
  const entry = callXml('apnsd.provision', struct(member('__proto__', struct())));
  assert.match((await post(host, entry)).text, /__proto__.* is no field/);
});

test('a caller that sent calls ahead and hangs up leaves nothing behind', async () => {
  await using daemon = await startTestDaemon();
  const { host, initial, simulator } = daemon;
  await call(host, 'apnsd.provision', ...initial);
  const release = simulator.hold();
  const body = callXml('notify', initial[0]?.appId ?? '', 'aa11', '<struct/>');
  const requests = [body, ...Array(20).fill(listMethods)].map(
    (each) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${each.length}\r\n\r\n${each}`,
  );
  const socket = socketTo(host);
  socket.write(requests.join(''));
  await simulator.until(() => simulator.pending === 1);
  socket.resume().end();
  await once(socket, 'close');
  const before = performance.now();
  const closing = daemon.close();
  release();
  await closing;
  // Well before the drain timeout of ten seconds.
  assert.ok(performance.now() - before < 8000);
});
