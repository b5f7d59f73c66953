import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Feedback } from '../../../src/daemon/apps/feedback.js';
import { createDaemon, type DaemonOptions } from '../../../src/daemon/index.js';
import { encodeAnswer, type Value } from '../../../src/rpc/xml.js';
import { createSimulator, startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, post, socketTo } from '../../support/calling.js';

const note = { aps: { alert: 'Hello' } };
const at = new Date(1_700_000_000_000);

interface Read {
  entries: { token: string; unregisteredAt: number }[];
  cursor: string;
}

async function startDaemon(options: DaemonOptions = {}) {
  const daemon = await startTestDaemon({ daemon: options });
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox');
  /** Has Apple call these tokens dead. */
  const kill = async (...tokens: string[]) => {
    for (const token of tokens) simulator.unregister(token, { at });
    await call(host, 'notify', 'app', tokens, note);
  };
  const read = (cursor: string, appId = 'app') =>
    call(host, 'apnsd.feedback', appId, cursor) as Promise<Read>;
  return Object.assign(daemon, { kill, read });
}

function tokensOf({ entries }: Read): string[] {
  return entries.map(({ token }) => token).sort();
}

test('feedback hands out the tokens that Apple called dead, with the time, once', async () => {
  await using daemon = await startDaemon();
  await daemon.kill('aa', 'bb');
  assert.deepEqual(await call(daemon.host, 'feedback', 'app'), [
    [at, 'aa'],
    [at, 'bb'],
  ]);
  assert.deepEqual(await call(daemon.host, 'feedback', 'app'), []);
});

test("feedback's dates are the daemon's local time, without a zone", async () => {
  await using daemon = await startDaemon();
  await daemon.kill('aa');
  const pad = (part: number) => String(part).padStart(2, '0');
  const day = `${at.getFullYear()}${pad(at.getMonth() + 1)}${pad(at.getDate())}`;
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  const { text } = await post(daemon.host, callXml('feedback', 'app'));
  assert.match(text, new RegExp(`<dateTime\\.iso8601>${day}T${time}</dateTime\\.iso8601>`));
});

test("feedback's dates are UTC where that is asked for", async () => {
  await using simulator = await createSimulator();
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: simulator.url },
    ca: simulator.ca,
    initial: [{ appId: 'app', cert: simulator.certificate, environment: 'sandbox' }],
    feedbackTime: 'utc',
  });
  simulator.unregister('aa', { at });
  await call(daemon.url, 'notify', 'app', 'aa', note);
  const { text } = await post(daemon.url, callXml('feedback', 'app'));
  const seconds = at.toISOString().replaceAll('-', '').slice(0, 17);
  assert.match(text, new RegExp(`<dateTime\\.iso8601>${seconds}</dateTime\\.iso8601>`));
});

test('only a 410 is feedback: a bad token says nothing of the device', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.badDeviceToken('aa');
  daemon.simulator.answer({ status: 403, reason: 'BadCertificate' }, { token: 'bb' });
  await assert.rejects(call(daemon.host, 'notify', 'app', ['aa', 'bb'], note));
  assert.deepEqual(await call(daemon.host, 'feedback', 'app'), []);
});

test('a 410 without a time counts from now', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 410, reason: 'Unregistered' });
  const before = Date.now();
  await call(daemon.host, 'notify', 'app', 'aa', note);
  const { entries } = await daemon.read('');
  const [entry] = entries;
  assert.ok(entry && entry.unregisteredAt >= before && entry.unregisteredAt <= Date.now());
});

test('a 410 whose time is no date counts from now, and the others are handed out with it', async () => {
  await using daemon = await startDaemon();
  const before = Math.floor(Date.now() / 1000) * 1000;
  const [pyapns, own] = [
    () => call(daemon.host, 'feedback', 'app') as Promise<[Date, string][]>,
    async () => {
      const { entries } = await daemon.read('');
      return entries.map(({ token, unregisteredAt }) => [new Date(unregisteredAt), token] as const);
    },
  ];
  for (const [list, timestamp] of [
    [pyapns, 8.64e15],
    [own, 2 ** 53 - 1],
    [pyapns, -(10 ** 15)],
  ] as const) {
    daemon.simulator.answer({ status: 410, reason: 'Unregistered', timestamp }, { token: 'aa' });
    await call(daemon.host, 'notify', 'app', 'aa', note);
    await daemon.kill('bb');
    const entries = await list();
    assert.deepEqual(entries.map(([, token]) => token).sort(), ['aa', 'bb']);
    const [time] = entries.find(([, token]) => token === 'aa') ?? [];
    assert.ok(time && time.getTime() >= before && time.getTime() <= Date.now(), `${timestamp}`);
  }
});

test('apnsd.feedback lists until the next call acknowledges, in UNIX milliseconds', async () => {
  await using daemon = await startDaemon();
  await daemon.kill('aa', 'bb');
  const first = await daemon.read('');
  assert.deepEqual(first.entries, [
    { token: 'aa', unregisteredAt: at.getTime() },
    { token: 'bb', unregisteredAt: at.getTime() },
  ]);
  assert.deepEqual(tokensOf(await daemon.read('')), ['aa', 'bb']);
  await daemon.kill('cc');
  const second = await daemon.read(first.cursor);
  assert.deepEqual(tokensOf(second), ['cc']);
  // An old cursor again: what it acknowledged is gone, and nothing else goes.
  assert.deepEqual(tokensOf(await daemon.read(first.cursor)), ['cc']);
  assert.deepEqual(tokensOf(await daemon.read(second.cursor)), []);
});

test("a cursor of another daemon's run, of another app or of nobody forgets nothing", async () => {
  await using earlier = await startDaemon();
  await earlier.kill('aa', 'bb', 'cc');
  const { cursor } = await earlier.read('');
  await using daemon = await startDaemon();
  const { host, simulator } = daemon;
  await call(host, 'provision', 'other', simulator.certificate, 'sandbox');
  await daemon.kill('dd');
  const ofOther = await daemon.read('', 'other');
  for (const strange of [cursor, ofOther.cursor, 'x', ':', ':99', `${cursor}0`]) {
    assert.deepEqual(tokensOf(await daemon.read(strange)), ['dd'], strange);
  }
});

test("one app's dead tokens are no other's", async () => {
  await using daemon = await startDaemon();
  await call(daemon.host, 'provision', 'other', daemon.simulator.certificate, 'sandbox');
  await daemon.kill('aa');
  assert.deepEqual(await call(daemon.host, 'feedback', 'other'), []);
  assert.deepEqual(tokensOf(await daemon.read('')), ['aa']);
});

test('a token that died again since it was listed is listed again', () => {
  const feedback = new Feedback();
  feedback.add('aa', 1);
  feedback.add('bb', 2);
  const { cursor } = feedback.read('');
  feedback.add('aa', 3);
  assert.deepEqual([...feedback.read(cursor).entries], [{ token: 'aa', unregisteredAt: 3 }]);
});

test("a token's newest time counts, and what is no news changes nothing", () => {
  const feedback = new Feedback();
  feedback.add('aa', 5);
  feedback.add('bb', 6);
  const { cursor } = feedback.read('');
  feedback.add('aa', 5);
  feedback.add('aa', 4);
  const again = feedback.read('');
  assert.deepEqual(
    [...again.entries],
    [
      { token: 'aa', unregisteredAt: 5 },
      { token: 'bb', unregisteredAt: 6 },
    ],
  );
  assert.equal(again.cursor, cursor);
  assert.deepEqual([...feedback.read(cursor).entries], []);
  feedback.add('aa', 4);
  assert.deepEqual([...feedback.take()], [{ token: 'aa', unregisteredAt: 4 }]);
});

test('what comes while a list is read is in the next one, and what is taken meanwhile is in both', () => {
  const feedback = new Feedback();
  for (const token of ['aa', 'bb', 'cc']) feedback.add(token, 1);
  const { entries, cursor } = feedback.read('');
  const seen: string[] = [];
  for (const { token } of entries) {
    if (token === 'aa') feedback.add('bb', 2);
    if (token === 'aa') feedback.add('dd', 1);
    seen.push(token);
  }
  assert.deepEqual(seen, ['aa', 'cc']);
  const next = feedback.read(cursor);
  const tokens = (list: Iterable<{ token: string }>) => [...list].map(({ token }) => token);
  const taken = feedback.take();
  assert.deepEqual(
    [tokens(next.entries), tokens(taken)],
    [
      ['bb', 'dd'],
      ['bb', 'dd'],
    ],
  );
  assert.equal(feedback.size, 0);
});

test('however often and in whatever case it is sent to, a dead token is listed once', async () => {
  await using daemon = await startDaemon();
  await daemon.kill('aa', 'AA', 'aa', '<a a>');
  assert.deepEqual(await call(daemon.host, 'feedback', 'app'), [[at, 'aa']]);
});

test('beyond a hundred thousand the oldest are dropped and counted', () => {
  const feedback = new Feedback();
  for (let i = 0; i < 100_002; i += 1) feedback.add(`${i}`, i);
  assert.equal(feedback.size, 100_000);
  assert.equal(feedback.dropped, 2);
  assert.equal([...feedback.take()][0]?.token, '2');
  assert.equal(feedback.size, 0);
});

/** As a caller writes it by hand. */
function requestOf(method: string, ...params: Value[]): string {
  const body = callXml(method, ...params.map(xmlOf));
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function xmlOf(value: Value): string {
  const [, xml = ''] = /<param><value>(.*)<\/value><\/param>/s.exec(encodeAnswer(value)) ?? [];
  return xml;
}

test('a list whose caller hung up before its answer is handed out again', async () => {
  await using daemon = await startDaemon();
  const { host, simulator } = daemon;
  await daemon.kill('aa', 'bb');
  const release = simulator.hold();
  const gone = socketTo(host);
  const calls = [
    { methodName: 'feedback', params: ['app'] },
    { methodName: 'notify', params: ['app', 'cc', note] },
  ];
  gone.write(requestOf('system.multicall', calls));
  await simulator.until(() => simulator.pending === 1);
  assert.deepEqual(await call(host, 'feedback', 'app'), []);
  // The daemon answers an end with its own.
  gone.resume().end();
  await once(gone, 'close');
  release();
  const until = async (count: number) => {
    let read = await daemon.read('');
    while (read.entries.length < count) read = await daemon.read('');
    return tokensOf(read);
  };
  assert.deepEqual(await until(2), ['aa', 'bb']);
  assert.equal(((await call(host, 'feedback', 'app')) as []).length, 2);
  assert.deepEqual(await call(host, 'feedback', 'app'), []);
});

test('a list whose caller reads nothing is handed out again, and the caller is let go', async () => {
  await using daemon = await startDaemon({ requestTimeoutMs: 300 });
  const { host } = daemon;
  await daemon.kill('aa');
  const deaf = socketTo(host);
  deaf.on('error', () => {});
  deaf.pause();
  // Each bad member is answered with its id: 10 MB, more than the buffers on the way.
  const to = Array.from({ length: 10_000 }, () => ['', 'x'.repeat(1000)]);
  const large = JSON.stringify({ timeoutMs: 1000, notifications: [{ payload: note, to }] });
  const calls = [
    { methodName: 'feedback', params: ['app'] },
    { methodName: 'apnsd.send', params: ['app', large] },
  ];
  deaf.write(requestOf('system.multicall', calls));
  // Its answer has begun: what comes now was handed out before.
  await once(deaf, 'readable');
  let list: unknown = [];
  while (Array.isArray(list) && list.length === 0) list = await call(host, 'feedback', 'app');
  assert.deepEqual(list, [[at, 'aa']]);
  deaf.resume();
  if (!deaf.closed) await once(deaf, 'close');
});
