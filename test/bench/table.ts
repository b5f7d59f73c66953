/** Results as people read them in a terminal. */
import { type Figures, type Goal, own } from './part.js';
import type { Results } from './run-parts.js';

const columns: [string, keyof Figures][] = [
  ['per second', 'perSecond'],
  ['CPU µs', 'cpuMs'],
  ['daemon µs', 'daemonCpuMs'],
  ['p50 ms', 'p50Ms'],
  ['p99 ms', 'p99Ms'],
  ['MiB', 'rssMiB'],
  ['daemon MiB', 'daemonRssMiB'],
];

export function machineLine({ machine, sink, rounds }: Results): string {
  const { date, cpu, cores, os, node } = machine;
  return `${date}, ${cpu}, ${cores} cores, ${os}, Node ${node}, sink ${sink}, medians of ${rounds}`;
}

/** A row for each case; beside a peer, how many times our CPU it took. */
export function tableOf({ rows }: Results): string {
  const head = ['', '', ...columns.map(([name]) => name), 'times our CPU'];
  const lines = rows.map((row) => {
    const ours = rows.find(({ what, who }) => what === row.what && who === own)?.cpuMs;
    const times = row.who !== own && row.cpuMs && ours ? (row.cpuMs / ours).toFixed(1) : '';
    const figures = columns.map(([, name]) => number(row[name]));
    return [row.what, row.who, ...figures, times];
  });
  return [
    ...aligned([head, ...lines]),
    'CPU: microseconds for each notification, which is milliseconds per 1,000. MiB: the peak, of an idle app what it has.',
  ].join('\n');
}

export function goalsOf({ goals }: Results): string {
  const lines = goals.map((goal) => [
    goal.reached ? 'met' : 'MISSED',
    goal.what,
    `${number(goal.found)} ${goal.unit}`,
    wanted(goal),
  ]);
  return aligned(lines, 4).join('\n');
}

function wanted({ atLeast, atMost }: Goal): string {
  return atLeast === undefined ? `at most ${number(atMost)}` : `at least ${number(atLeast)}`;
}

/** As exact as such figures are; empty where there is none. */
export function number(value = Number.NaN): string {
  if (Number.isNaN(value)) return '';
  const maximumFractionDigits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString('en', { maximumFractionDigits });
}

/** The first columns to the left, figures to the right. */
function aligned(lines: string[][], left = 2): string[] {
  const width = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column < left ? cell.padEnd(width(column)) : cell.padStart(width(column)),
      )
      .join('  ')
      .trimEnd(),
  );
}
