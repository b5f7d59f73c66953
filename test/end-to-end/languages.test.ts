/** What other languages' users have: the XML-RPC client of their language, as it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestDaemon } from '../../src/testing/index.js';
import { file } from '../support/folder.js';
import { type Call, languages, type Result } from '../support/languages.js';

/** Digits only: Perl takes it for a number. */
const token = (last: string) => last.padStart(64, '0');
const note = (alert: unknown) => ({ aps: { alert } });
const unicode =
  'café € 😀 👩‍👩‍👧 日本 "quoted" \'single\' <b>&amp;</b> ]]> back\\slash\nline 2\ttab ';
const values = {
  zero: 0,
  no: false,
  yes: true,
  half: 2.5,
  negative: -1,
  empty: '',
  list: [1, 'x'],
};

const nothing: Result = { answer: null };

for (const { name, options, run } of languages) {
  test(
    `${name} provisions by path and with PEM text, and notifies one and many`,
    options,
    async () => {
      await using daemon = await startTestDaemon();
      const { host, simulator } = daemon;
      const path = await file('apns.pem', simulator.certificate);
      const results = await run(host, [
        ['provision', ['path', path, 'sandbox', 15]],
        ['provision', ['text', simulator.certificate, 'sandbox', 15]],
        ['notify', ['path', token('1'), { aps: { alert: 'hello', badge: 1, sound: 'default' } }]],
        ['notify', ['text', [token('2'), 'ab'.repeat(32)], [note('two'), note('three')]]],
        ['notify', ['text', 'ABCDEF01 '.repeat(8).trim(), [note('in a list')]]],
        ['notify', ['text', token('5'), note(unicode)]],
        ['notify', ['text', token('6'), { ...note('values'), ...values }]],
        ['notify', ['text', token('7'), { ...note('nil'), nil: null }]],
      ]);
      assert.deepEqual(results, Array(8).fill(nothing));
      const seen = new Map(simulator.accepted.map(({ token, payload }) => [token, payload]));
      assert.deepEqual(
        seen,
        new Map<string, unknown>([
          [token('1'), { aps: { alert: 'hello', badge: 1, sound: 'default' } }],
          [token('2'), note('two')],
          ['ab'.repeat(32), note('three')],
          ['abcdef01'.repeat(8), note('in a list')],
          [token('5'), note(unicode)],
          [token('6'), { ...note('values'), ...values }],
          [token('7'), { ...note('nil'), nil: name === 'PHP' ? '' : null }],
        ]),
      );
    },
  );

  test(`${name} reads feedback as dates in local time and tokens, once`, options, async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    simulator.unregister(token('d'), { at: new Date(2024, 1, 29, 23, 59, 58) });
    const results = await run(host, [
      ['provision', ['app', simulator.certificate, 'sandbox', 15]],
      ['notify', ['app', token('d'), note('gone')]],
      ['feedback', ['app']],
      ['feedback', ['app']],
    ]);
    assert.deepEqual(results.slice(2), [
      { answer: [[{ date: '20240229T23:59:58' }, token('d')]] },
      { answer: [] },
    ]);
  });

  test(`${name} gets faults with a number and a text that helps`, options, async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const cases: [call: Call, code: number, says: RegExp][] = [
      [['notify', ['nope', token('1'), note('x')]], 404, /app "nope" is not provisioned/],
      [['feedback', ['nope']], 404, /app "nope" is not provisioned/],
      [['provision', ['app', '/etc/apns.pem', 'staging', 15]], 401, /staging/],
      [['provision', ['app', '/nonexistent/cert.pem', 'sandbox', 15]], 422, /ENOENT/],
      [['notify', ['app', 'abc', note('odd')]], 400, /token \.\.\.abc is 3 characters long/],
      [['notify', ['app', 'zz', note('no hex')]], 400, /not all hex digits/],
      [['notify', ['app', [token('1')], [note('1'), note('2')]]], 400, /1 tokens and 2 notif/],
      [['notify', ['app']], 400, /expected 3: appId, tokens, notifications/],
      [['frobnicate', [1]], -32601, /there is no method "frobnicate"/],
    ];
    const [, ...results] = await run(host, [
      ['provision', ['app', simulator.certificate, 'sandbox', 15]],
      ...cases.map(([call]) => call),
    ]);
    for (const [index, [call, code, says]] of cases.entries()) {
      const result = results[index];
      assert.ok(result && 'fault' in result, `${call}: ${JSON.stringify(result)}`);
      assert.equal(result.fault[0], code, result.fault[1]);
      assert.match(result.fault[1], says);
    }
    assert.deepEqual(simulator.requests, []);
  });
}
