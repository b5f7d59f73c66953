/** What pyapns's users have: Python's standard library, and calls as pyapns's client makes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestDaemon } from '../../src/testing/index.js';
import { file } from '../support/folder.js';
import { type Call, python, type Result } from '../support/languages.js';

const { options } = python;

function codes(results: Result[]): (number | null)[] {
  return results.map((result) => ('fault' in result ? result.fault[0] : null));
}

const note = (alert: unknown) => ({ aps: { alert } });
/** As the recordings have them. */
const token = (last: string) => last.padStart(64, '0');

test(
  'Python provisions by path and with PEM text, and notifies one and many',
  options,
  async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const path = await file('apns.pem', simulator.certificate);
    const results = await python.run(host, [
      ['provision', ['path', path, 'sandbox', 15]],
      ['provision', ['text', simulator.certificate, 'sandbox']],
      ['notify', ['path', token('1'), { aps: { alert: 'hello', badge: 1, sound: 'default' } }]],
      ['notify', ['text', [token('2'), token('3')], [note('two'), note('three')]]],
      ['notify', ['text', [token('10'), token('11')], note('both')]],
      ['notify', ['text', token('f'), [note('single form of the Ruby client')]]],
      ['notify', ['text', [], []]],
      ['feedback', ['text']],
    ]);
    assert.deepEqual(results, [
      ...Array.from({ length: 7 }, () => ({ answer: null })),
      { answer: [] },
    ]);
    const seen = simulator.accepted.map(({ token, payload }) => [token, payload]);
    assert.deepEqual(
      new Map(seen as [string, unknown][]),
      new Map<string, unknown>([
        [token('1'), { aps: { alert: 'hello', badge: 1, sound: 'default' } }],
        [token('2'), note('two')],
        [token('3'), note('three')],
        [token('10'), note('both')],
        [token('11'), note('both')],
        [token('f'), note('single form of the Ruby client')],
      ]),
    );
  },
);

test(
  'what Python writes arrives: emoji, newlines, markup, None, numbers, nested values',
  options,
  async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const payloads = [
      note('café € 😀 👩‍👩‍👧 日本 "quoted" \'single\' back\\slash'),
      note('line 1\nline 2\n\n  <b>&amp;</b> <&]]> ]]>]]>\ttab '),
      note({ 'loc-key': 'K', 'loc-args': ['a', 'é'] }),
      { aps: { badge: 0, 'content-available': 1 }, none: null, no: false, yes: true },
      { f: 3.25, neg: -1, zero: 0, empty: '', arr: [], obj: {}, deep: [[{ a: [null, 1.5] }]] },
      note('x'.repeat(4000)),
    ];
    const results = await python.run(host, [
      ['provision', ['app', simulator.certificate, 'sandbox']],
      ...payloads.map((payload, i): Call => ['notify', ['app', token(`${i}`), payload]]),
      ['notify', ['app', 'ABCDEF01 '.repeat(8).trim(), note('spaces')]],
    ]);
    assert.deepEqual(
      results,
      Array.from({ length: 8 }, () => ({ answer: null })),
    );
    assert.deepEqual(
      simulator.accepted.map(({ payload }) => payload),
      [...payloads, note('spaces')],
    );
    assert.equal(simulator.accepted.at(-1)?.token, 'abcdef01'.repeat(8));
  },
);

test(
  'what is wrong is a Fault in Python, with a number and a text that helps',
  options,
  async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const results = await python.run(host, [
      ['notify', ['nope', token('1'), note('x')]],
      ['feedback', ['nope']],
      ['provision', ['app', '/etc/apns.pem', 'staging', 15]],
      ['provision', ['app', '/nonexistent/cert.pem', 'sandbox', 15]],
      [
        'provision',
        ['app', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'sandbox'],
      ],
      ['provision', ['app', simulator.certificate, 'sandbox', 15]],
      ['notify', ['app']],
      ['feedback', ['app', 2, 3]],
      ['frobnicate', [1]],
      ['notify', ['app', 'abc', note('odd')]],
      ['notify', ['app', 'zz', note('no hex')]],
      ['notify', ['app', '', note('empty')]],
      ['notify', ['app', token('12'), 'just a string']],
      ['notify', ['app', [token('13')], ['a string in a list']]],
      ['notify', ['app', [token('e')], [note('1'), note('2')]]],
      ['notify', ['app', [token('b'), token('c'), token('d')], [note('1'), note('2')]]],
      ['notify', ['app', token('15'), note('x'.repeat(70_000))]],
      ['apnsd.send', ['app', 'no JSON']],
    ]);
    assert.deepEqual(codes(results), [
      404,
      404,
      401,
      422,
      422,
      null,
      400,
      400,
      -32601,
      400,
      400,
      400,
      400,
      400,
      400,
      400,
      400,
      400,
    ]);
    for (const result of results) {
      if ('fault' in result)
        assert.match(result.fault[1], /expected|provisioned|ENOENT|parsed|see /);
    }
    assert.deepEqual(simulator.requests, []);
  },
);

test("pyapns's way to heal works: on fault 404 provision, and notify again", options, async () => {
  await using first = await startTestDaemon();
  const { simulator } = first;
  const calls: Call[] = [
    ['notify', ['app', token('1'), note('x')]],
    ['provision', ['app', simulator.certificate, 'sandbox', 15]],
    ['notify', ['app', token('1'), note('x')]],
  ];
  assert.deepEqual(codes(await python.run(first.host, calls)), [404, null, null]);
  assert.equal(simulator.accepted.length, 1);
});

test(
  'a MultiCall of Python makes its calls in order, and each has its own answer or Fault',
  options,
  async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const [result] = await python.run(host, [
      [
        'MultiCall',
        [
          ['provision', ['app', simulator.certificate, 'sandbox', 15]],
          ['notify', ['app', token('1'), note('one')]],
          ['notify', ['app', 'abc', note('odd')]],
          ['notify', ['nope', token('2'), note('x')]],
          ['notify', ['app', [token('3')], [note('three')]]],
          ['feedback', ['app']],
        ],
      ],
    ]);
    assert.ok(result && 'answer' in result, JSON.stringify(result));
    assert.deepEqual(codes(result.answer as Result[]), [null, null, 400, 404, null, null]);
    assert.deepEqual(simulator.accepted.map((request) => request.token).sort(), [
      token('1'),
      token('3'),
    ]);
  },
);
