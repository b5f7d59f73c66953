/** What pyapns's users have: Python's standard library, and calls as pyapns's client makes them. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { startTestDaemon } from '../../src/testing/index.js';

const script = join(import.meta.dirname, 'calls.py');
/** The interpreter itself: what `python3` names may be a version manager's shim, which takes a second each time. */
const interpreter = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).stdout?.trim();
const options = { skip: !interpreter && 'python3 is missing' };

const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
after(() => rm(folder, { recursive: true }));

type Call = [method: string, params: unknown[]];
type Result = { answer: unknown } | { fault: [code: number, text: string] };

/** Makes the calls in one Python process, one after the other. */
async function python(url: string, calls: Call[]): Promise<Result[]> {
  const child = spawn(interpreter, [script, url], {
    env: { ...process.env, PYTHONUTF8: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(calls));
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  assert.equal(code, 0);
  return JSON.parse(output);
}

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
    const path = join(folder, 'apns.pem');
    await writeFile(path, simulator.certificate);
    const results = await python(host, [
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
    const results = await python(host, [
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

test('Python reads feedback as dates in local time and tokens, once', options, async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  const at = new Date(2024, 1, 29, 23, 59, 58);
  simulator.unregister(token('d'), { at });
  const results = await python(host, [
    ['provision', ['app', simulator.certificate, 'sandbox']],
    ['notify', ['app', token('d'), note('gone')]],
    ['feedback', ['app']],
    ['feedback', ['app']],
  ]);
  assert.deepEqual(results.slice(2), [
    { answer: [[{ date: '20240229T23:59:58' }, token('d')]] },
    { answer: [] },
  ]);
});

test(
  'what is wrong is a Fault in Python, with a number and a text that helps',
  options,
  async () => {
    await using daemon = await startTestDaemon();
    const { host, simulator } = daemon;
    const results = await python(host, [
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
  assert.deepEqual(codes(await python(first.host, calls)), [404, null, null]);
  assert.equal(simulator.accepted.length, 1);
});
