import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartOf } from './chart.js';
import { type Case, type Figures, measureInTurns, own, reached } from './part.js';
import { fifty, fiveHundred, many, oneByOne } from './path.js';
import { withFigures } from './readme.js';
import { type Results, runParts } from './run-parts.js';
import { goalsOf, tableOf } from './table.js';

test('each way of measuring finds figures', async () => {
  const cases = [
    'the sender alone, 1,000 at a time',
    many,
    'XML-RPC notify, 50 at a time',
    "notify beside another process's notifyMany",
    'decode a notify of 1',
    "import 'apnsd'",
  ];
  const { rows } = await runParts({
    names: ['sender', 'path', 'latency', 'codec', 'footprint'],
    rounds: 1,
    scale: 0.001,
    only: ({ what, who }) => who === own && cases.includes(what),
    say: () => {},
  });
  assert.deepEqual(
    rows.map(({ what }) => what),
    cases,
  );
  for (const { part, what, who, ...figures } of rows) {
    assert.ok(Object.keys(figures).length > 0, what);
    for (const [name, figure] of Object.entries(figures)) assert.ok(figure > 0, `${what}: ${name}`);
  }
});

test('cases are measured in turns, and the median of each figure counts', async () => {
  const turns: string[] = [];
  const caseOf = (who: string, samples: number[]): Case => ({
    what: 'x',
    who,
    async measure() {
      turns.push(who);
      return { perSecond: samples.pop() ?? 0, p50Ms: turns.length };
    },
  });
  const found = await measureInTurns([caseOf('a', [9, 1, 5]), caseOf('b', [2, 2, 8])], 3, () => {});
  assert.deepEqual(turns, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(found, [
    { what: 'x', who: 'a', perSecond: 5, p50Ms: 3 },
    { what: 'x', who: 'b', perSecond: 2, p50Ms: 4 },
  ]);
});

test('a goal is missed beyond its bound, and where nothing was measured', () => {
  const goal = { what: 'x', unit: 'ms' };
  assert.ok(reached({ ...goal, found: 12, atMost: 12 }));
  assert.ok(!reached({ ...goal, found: 12.1, atMost: 12 }));
  assert.ok(reached({ ...goal, found: 4, atLeast: 4 }));
  assert.ok(!reached({ ...goal, found: 3.9, atLeast: 4 }));
  assert.ok(!reached({ ...goal, found: Number.NaN, atLeast: 4 }));
});

test('what was found is shown in the terminal, the chart and the README', () => {
  const figures = (perSecond: number): Figures => ({ perSecond, cpuMs: perSecond / 1000 });
  const row = (what: string, who: string, perSecond: number) => ({
    part: 'path',
    what,
    who,
    ...figures(perSecond),
  });
  const ways = [oneByOne, fifty, fiveHundred, many];
  const results: Results = {
    machine: { date: '2026-01-02', cpu: 'A & B', cores: 2, os: 'Debian', node: 'v20.20.2' },
    sink: 'nginx',
    rounds: 3,
    rows: ways.flatMap((what, index) => [
      row(what, own, 60_001 + index),
      row(what, 'node-apn', 12_001 + index),
      row(what, 'apns2', 6001 + index),
    ]),
    goals: [{ what: 'import', found: 31, unit: 'ms', atMost: 30, reached: false }],
  };
  const places = '<!-- written by npm run bench -->\nold\n<!-- until here -->';
  const readme = withFigures(`before\n${places}\nafter`, results);
  assert.ok(readme.startsWith('before\n<!-- ') && readme.endsWith(' -->\nafter'));
  assert.ok(!readme.includes('old'));
  for (const shown of [tableOf(results), chartOf(results), readme]) {
    for (const figure of ['60,002', '12,004', '6,003']) assert.ok(shown.includes(figure), figure);
  }
  assert.match(chartOf(results), /A &amp; B, 2 cores/);
  assert.equal(goalsOf(results), 'MISSED  import  31 ms  at most 30');
  assert.throws(() => withFigures('no place', results), /no place/);
});
