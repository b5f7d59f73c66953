import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, socketTo } from '../../support/calling.js';
import { logBook } from '../../support/log-book.js';

const listen = '127.0.0.1:0';
const note = { aps: { alert: 'Hello' } };
const types = new Set(['nil', 'int', 'string', 'array', 'struct']);

async function startDaemon() {
  const daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const multicall = (...calls: [methodName: string, ...params: unknown[]][]) =>
    call(
      host,
      'system.multicall',
      calls.map(([methodName, ...params]) => ({ methodName, params })),
    ) as Promise<unknown[]>;
  const provision = ['provision', 'app', simulator.certificate, 'sandbox'] as const;
  return Object.assign(daemon, { multicall, provision });
}

test('every method has a signature and a help of one line', async () => {
  await using daemon = await createDaemon({ listen });
  const names = (await call(daemon.url, 'system.listMethods')) as string[];
  for (const name of names) {
    const signatures = await call(daemon.url, 'system.methodSignature', name);
    assert.ok(Array.isArray(signatures) && signatures.length > 0, name);
    for (const signature of signatures) {
      assert.ok(signature.length > 0 && signature.every((type: string) => types.has(type)), name);
      // Some clients can't read it; pyapns's methods have no other answer.
      assert.ok(signature[0] !== 'nil' || !name.startsWith('apnsd.'), name);
    }
    assert.match(String(await call(daemon.url, 'system.methodHelp', name)), /^[^\n]{10,}\.$/);
  }
  assert.deepEqual(await call(daemon.url, 'system.methodSignature', 'provision'), [
    ['nil', 'string', 'string', 'string'],
    ['nil', 'string', 'string', 'string', 'int'],
  ]);
});

test('signature and help of a method that is not there are fault -32601', async () => {
  await using daemon = await createDaemon({ listen });
  for (const method of ['system.methodSignature', 'system.methodHelp']) {
    for (const name of ['no.such', 'constructor', '__proto__']) {
      await assert.rejects(call(daemon.url, method, name), { faultCode: -32601 });
    }
    await assert.rejects(call(daemon.url, method), { faultCode: 400 });
  }
});

test('the calls of a multicall are made in order, and each result stands in a list', async () => {
  await using daemon = await startDaemon();
  const { simulator, provision } = daemon;
  simulator.unregister('bb', { at: new Date(1_700_000_000_000) });
  const results = await daemon.multicall(
    ['feedback', 'app'],
    [...provision],
    ['notify', 'app', 'aa', note],
    ['notify', 'app', 'bb', note],
    ['feedback', 'app'],
    ['feedback', 'app'],
  );
  assert.deepEqual(results, [
    { faultCode: 404, faultString: 'app "app" is not provisioned, nor is any other' },
    [null],
    [null],
    [null],
    [[[new Date(1_700_000_000_000), 'bb']]],
    [[]],
  ]);
});

test('a member of a multicall whose name is no text has a fault of its own', async () => {
  await using daemon = await startDaemon();
  const good = { methodName: 'system.listMethods', params: [] };
  for (const methodName of [{}, [], { toString: 'notify' }, true, null]) {
    const calls = [{ methodName, params: [] }, good];
    const results = await call(daemon.host, 'system.multicall', calls);
    const [odd, listed] = results as [{ faultCode: number; faultString: string }, string[][]];
    assert.equal(odd.faultCode, 400);
    assert.match(odd.faultString, /^methodName is .*, expected a string$/);
    assert.ok(listed[0]?.includes('notify'));
  }
});

test('neighbouring notifications of a multicall wait for Apple together', async () => {
  await using daemon = await startDaemon();
  const { simulator, provision, host } = daemon;
  await call(host, ...provision);
  const release = simulator.hold({ times: 3 });
  const made = daemon.multicall(
    ['notify', 'app', 'aa', note],
    ['notify', 'app', 'bb', note],
    ['apnsd.send', 'app', sendOf('cc')],
    ['apnsd.status'],
  );
  await simulator.until(() => simulator.pending === 3);
  release();
  const [, , , [status]] = (await made) as [unknown, unknown, unknown, [{ apps: Counted[] }]];
  // Asked last, answered last.
  assert.equal(status.apps[0]?.counts.accepted, 3);
});

interface Counted {
  counts: { accepted: number };
}

function sendOf(token: string): string {
  const to = [[token, crypto.randomUUID()]];
  return JSON.stringify({ timeoutMs: 10_000, notifications: [{ payload: note, to }] });
}

test('what is wrong with one call of a multicall is the fault of that one', async () => {
  await using daemon = await startDaemon();
  const { host } = daemon;
  const results = (await call(host, 'system.multicall', [
    { methodName: 'no.süch', params: [] },
    { methodName: 'system.multicall', params: [[]] },
    { methodName: 'notify' },
    { params: [] },
    'notify',
    null,
    { methodName: 'system.listMethods', params: [] },
  ])) as { faultCode: number; faultString: string }[];
  assert.deepEqual(
    results.slice(0, 6).map(({ faultCode, faultString }) => [faultCode, faultString]),
    [
      [-32601, 'there is no method "no.s\\u{fc}ch", see system.listMethods'],
      [400, 'system.multicall may not be called in system.multicall'],
      [400, 'params is missing, expected a list'],
      [400, 'methodName is missing, expected a string'],
      [400, 'methodName is missing, expected a string'],
      [400, 'methodName is missing, expected a string'],
    ],
  );
  assert.ok(Array.isArray(results[6]));
});

test('calls of a multicall that have not begun when the daemon leaves are fault 503', async () => {
  await using daemon = await startDaemon();
  const { simulator, provision, host } = daemon;
  await call(host, ...provision);
  const release = simulator.hold({ times: 2 });
  const made = daemon.multicall(
    ['notify', 'app', 'aa', note],
    ['apnsd.send', 'app', sendOf('bb')],
    ['system.listMethods'],
    ['notify', 'app', 'cc', note],
  );
  await simulator.until(() => simulator.pending === 2);
  const closed = daemon.close();
  release();
  const [notified, sent, ...rest] = await made;
  assert.deepEqual(notified, [null]);
  assert.match(String(sent), /"status":"accepted"/);
  const fault = { faultCode: 503, faultString: 'the daemon is shutting down' };
  assert.deepEqual(rest, [fault, fault]);
  await closed;
  assert.deepEqual(simulator.accepted.map(({ token }) => token).sort(), ['aa', 'bb']);
});

test('a call that comes after a long multicall is answered before it', async () => {
  await using daemon = await createDaemon({ listen });
  const member = (name: string, value: string) =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const nothing = '<array><data></data></array>';
  const one = `<struct>${member('methodName', 'system.listMethods')}${member('params', nothing)}</struct>`;
  const calls = `<array><data>${`<value>${one}</value>`.repeat(1000)}</data></array>`;
  const sockets = [socketTo(daemon.url), socketTo(daemon.url)] as const;
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const answered: string[] = [];
  const bodies = { long: callXml('system.multicall', calls), short: callXml('system.listMethods') };
  const answers = Object.entries(bodies).map(async ([name, body], place) => {
    const socket = place === 0 ? sockets[0] : sockets[1];
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await once(socket, 'readable');
    answered.push(name);
    socket.destroy();
  });
  await Promise.all(answers);
  assert.deepEqual(answered, ['short', 'long']);
});

test('a multicall of no list, or of more than a thousand calls, is fault 400', async () => {
  const book = logBook();
  await using daemon = await createDaemon({ listen, log: book.log });
  const calls = (count: number) =>
    Array.from({ length: count }, () => ({ methodName: 'no.such', params: [] }));
  await assert.rejects(call(daemon.url, 'system.multicall', {}), {
    faultString: 'calls is a struct, expected a list of up to 1000',
  });
  await assert.rejects(call(daemon.url, 'system.multicall', calls(1001)), {
    faultString: 'calls is a list of 1001, expected a list of up to 1000',
  });
  assert.equal(((await call(daemon.url, 'system.multicall', calls(1000))) as []).length, 1000);
  assert.equal(book.of('fault').length, 1002);
});
