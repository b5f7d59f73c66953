/** Whether more of something makes each notification dearer, or fills the memory. */
import { type Load, measureClient } from './measure.js';
import { type Case, type Goal, own, type Part } from './part.js';
import type { Sink } from './stage.js';

const times = [1, 2, 4, 8];
/** What flat is, measured on a machine that does other things too. */
const flat = 1.5;

/**
 * A series' name, and its load at so many times the first. The least fills the answers that the daemon keeps, so that
 * memory has grown to its full size everywhere.
 */
const series: [string, (times: number) => Load & { apps?: number }][] = [
  ['notifications', (times) => ({ count: 40_000 * times })],
  ['apps', (times) => ({ count: 40_000, atOnce: 100 * times, apps: times })],
  ['waiting calls', (times) => ({ count: 40_000, atOnce: 500 * times })],
];

export function growthPart(sink: Sink, scale: number): Part {
  const nameOf = (name: string, many: number) => `growth: ${many} times the ${name}`;
  const caseOf = (what: string, { count, atOnce, apps }: Load & { apps?: number }): Case => ({
    what,
    who: own,
    measure: () => {
      const load = { count: Math.ceil(count * scale), ...(atOnce !== undefined && { atOnce }) };
      return measureClient(sink, load, apps);
    },
  });
  return {
    cases: series.flatMap(([name, loadOf]) =>
      times.map((many) => caseOf(nameOf(name, many), loadOf(many))),
    ),
    goals: (found) =>
      series.flatMap(([name]): Goal[] => {
        const most = Math.max(...times);
        const [first, last] = [found(nameOf(name, 1)), found(nameOf(name, most))];
        const goal = (what: string, key: 'cpuMs' | 'rssMiB' | 'daemonRssMiB') => ({
          what: `${nameOf(name, most)}: ${what}`,
          found: last[key] / first[key],
          unit: 'times that of 1',
          atMost: flat,
        });
        return [
          goal('CPU', 'cpuMs'),
          goal("the app's memory", 'rssMiB'),
          goal("the daemon's memory", 'daemonRssMiB'),
        ];
      }),
  };
}
