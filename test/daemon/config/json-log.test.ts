import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { jsonLog } from '../../../src/daemon/index.js';
import { startTestDaemon } from '../../../src/testing/index.js';
import { call, callXml, post, send } from '../../support/calling.js';

const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
after(() => rm(folder, { recursive: true }));

function linesOf(write: (log: ReturnType<typeof jsonLog>, at: (now: number) => void) => void) {
  const lines: string[] = [];
  let now = 0;
  const log = jsonLog(
    (line) => lines.push(line),
    () => now,
  );
  write(log, (ms) => {
    now = ms;
  });
  return lines.map((line) => {
    assert.match(line, /^\{[^\n]*\}\n$/);
    return JSON.parse(line);
  });
}

test('an event is one line of JSON with its time, whatever its fields hold', () => {
  const lines = linesOf((log, at) => {
    at(1_700_000_000_123);
    log('stopped');
    log('fault', { reason: 'two\nlines\u2028 "quoted"', faultCode: 400, none: undefined });
  });
  const time = '2023-11-14T22:13:20.123Z';
  assert.deepEqual(lines, [
    { time, event: 'stopped' },
    { time, event: 'fault', reason: 'two\nlines\u2028 "quoted"', faultCode: 400 },
  ]);
});

test('what a terminal would obey is written out, and reads as it was', () => {
  // Controls, among them DEL and CSI, direction marks, line separators, a mark that shows nothing, a tag beyond 16 bits.
  const obeyed =
    '\u001b[2J \u007f \u009b1m \u202etxt.exe\u202c \u2066a\u2069 \u2028 \u200b \u{e0041}';
  const lines: string[] = [];
  const log = jsonLog((line) => lines.push(line));
  log('fault', { reason: obeyed, [obeyed]: [obeyed], kept: 'Grüße, 世界 😀' });
  const [line = ''] = lines;
  assert.match(line, /^[^\p{C}\p{Zl}\p{Zp}]+\n$/u);
  assert.match(line, /\\u202etxt\.exe/);
  const { reason, [obeyed]: list, kept } = JSON.parse(line);
  assert.deepEqual(
    { reason, list, kept },
    { reason: obeyed, list: [obeyed], kept: 'Grüße, 世界 😀' },
  );
});

test('a text of any length takes no more than 4,096 characters of a line', () => {
  const [line] = linesOf((log) =>
    log('fault', { reason: 'x'.repeat(10_000_000), deep: { a: 'y'.repeat(4097) } }),
  );
  assert.equal(line.reason, `${'x'.repeat(4096)}... (10000000 characters)`);
  assert.equal(line.deep.a, `${'y'.repeat(4096)}... (4097 characters)`);
});

test('ten lines of one event come out in a second, and the next line tells how many did not', () => {
  const lines = linesOf((log, at) => {
    for (let i = 0; i < 1000; i += 1) log('rejected', { i });
    log('stopping');
    at(999);
    log('rejected', { i: 1000 });
    at(1000);
    log('rejected', { i: 1001 });
    log('rejected', { i: 1002 });
  });
  assert.deepEqual(
    lines.map(({ event, i, suppressed }) => [event, i, suppressed]),
    [
      ...Array.from({ length: 10 }, (_, i) => ['rejected', i, undefined]),
      ['stopping', undefined, undefined],
      ['rejected', 1001, 991],
      ['rejected', 1002, undefined],
    ],
  );
});

test('no line and no fault holds a secret or a whole token, even of callers that mix up everything', async () => {
  const logged: string[] = [];
  await using daemon = await startTestDaemon({
    // Every event, where jsonLog leaves out what comes too often.
    daemon: { log: (event, fields) => logged.push(JSON.stringify({ event, ...fields })) },
  });
  const { host, simulator } = daemon;
  const { key, keyId, teamId, topic } = simulator.key;
  const cert = simulator.certificate;
  const token = (): string => randomBytes(32).toString('hex');
  const [good, dead, bad, refused, silent, mixedUp] = Array.from({ length: 6 }, token) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const note = { aps: { alert: 'Hello' } };
  const environment = 'sandbox';
  const keyFile = join(folder, 'AuthKey.p8');
  await writeFile(keyFile, key);

  simulator.unregister(dead);
  simulator.badDeviceToken(bad);
  simulator.answer({ status: 403, reason: 'InvalidProviderToken' }, { token: refused });
  simulator.stall({ when: 'after', token: silent });

  const calls: [method: string, ...params: unknown[]][] = [
    ['provision', 'cert', cert, environment, 0.3],
    ['apnsd.provision', { appId: 'key', key, keyId, teamId, topic, environment }],
    ['apnsd.provision', { appId: 'file', key: keyFile, keyId, teamId, topic, environment }],
    // Parameters in each other's places.
    ['provision', cert, 'cert', environment],
    ['provision', 'cert', environment, cert],
    ['provision', 'cert', environment, key],
    ['provision', 'cert', cert, environment, key],
    ['provision', 'cert', keyFile, environment],
    ['provision', 'cert', key.replaceAll(/-----.*-----\n/g, ''), environment],
    ['apnsd.provision', key],
    ['apnsd.provision', { appId: 'x', environment, [key]: keyId }],
    ['apnsd.provision', { appId: 'x', environment, cert: key }],
    ['apnsd.provision', { appId: 'x', environment, key, keyId: key, teamId: cert, topic: key }],
    ['notify', cert, good, note],
    ['notify', good, 'cert', note],
    ['notify', 'cert', note, good],
    ['notify', 'cert', [good, dead, bad, `${mixedUp}x`, `${mixedUp}0`, key], note],
    ['notify', 'cert', [refused, silent], note],
    ['notify', 'cert', good, { aps: mixedUp, [mixedUp]: key.repeat(20) }],
    ['apnsd.send', good, key],
    ['apnsd.send', 'key', `{"${good}": "${key}`],
    ['apnsd.send', 'key', JSON.stringify({ timeoutMs: good, notifications: [] })],
    ['apnsd.send', 'key', JSON.stringify({ timeoutMs: 1000, notifications: [{ to: good }] })],
    ['apnsd.feedback', good, ''],
    ['feedback', good],
    [good],
    [key],
  ];
  const told: string[] = [];
  for (const [method, ...params] of calls) {
    await call(host, method, ...params).catch(({ faultString }) => told.push(faultString));
  }
  const all = [good, dead, bad, refused, silent].map((each): [string, string] => [
    each,
    randomUUID(),
  ]);
  const answers = await send(
    host,
    'key',
    [
      { payload: note, to: all },
      {
        payload: note,
        to: [
          [mixedUp, mixedUp],
          [key, key],
          [`${mixedUp}z`, randomUUID()],
        ],
      },
      {
        payload: note,
        topic: `${mixedUp} `,
        priority: mixedUp as never,
        to: [[good, randomUUID()]],
      },
    ],
    500,
  );
  const entered = await Promise.all([
    post(host, callXml('notify', `<int>${good}</int>`)),
    post(host, callXml('notify', `<boolean>${key}</boolean>`)),
    post(host, callXml('notify', `<${good}/>`)),
    post(host, callXml(good)),
    post(host, good),
    post(host, key),
  ]);
  await daemon.close();

  const known = ['provisioned', 'connected', 'fault', 'rejected', 'failed', 'stopping', 'stopped'];
  const log = logged.join('\n');
  for (const event of known) assert.match(log, new RegExp(`"event":"${event}"`));
  assert.ok(logged.length > 40, `${logged.length} lines`);
  // What a caller gets back of its own ids aside.
  const messages = answers.map((answer) => ('message' in answer ? answer.message : ''));
  const everything = [log, ...told, ...messages, ...entered.map(({ text }) => text)].join('\n');

  for (const whole of [good, dead, bad, refused, silent, mixedUp]) {
    assert.ok(!everything.includes(whole.slice(0, -6)), everything);
  }
  assert.doesNotMatch(everything, /bearer/i);
  for (const pem of [cert, key]) {
    for (const line of pem.split(/\r?\n/).filter((line) => /^[A-Za-z0-9+/=]{16,}$/.test(line))) {
      for (let at = 0; at + 20 <= line.length; at += 4) {
        const piece = line.slice(at, at + 20);
        assert.ok(!everything.includes(piece), `${piece} in ${everything}`);
      }
    }
  }
});
