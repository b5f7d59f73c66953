/** The figures in README.md, as Markdown: what the chart shows and what it leaves out. */
import { finder, own } from './part.js';
import { fifty, fiveHundred, many, oneByOne } from './path.js';
import type { Results } from './run-parts.js';
import { machineLine, number } from './table.js';

export const labels: Record<string, string> = {
  [own]: 'apnsd, client and daemon',
  'node-apn': '@parse/node-apn, in the app',
  apns2: 'apns2, in the app',
};

const region = /(<!-- written by npm run bench -->\n)[\s\S]*(<!-- until here -->)/;

/** README.md with new figures in place of the old ones. */
export function withFigures(readme: string, results: Results): string {
  if (!region.test(readme)) throw new Error('README.md has no place for figures');
  const figures = `${tableOf(results)}\n\n${machineLine(results)}.\n`;
  return readme.replace(region, (_, begin, end) => `${begin}${figures}${end}`);
}

function tableOf({ rows }: Results): string {
  const found = finder(rows);
  const lines = [oneByOne, fifty, fiveHundred, many].flatMap((what) =>
    Object.entries(labels).map(([who, label]) => {
      const { perSecond, cpuMs, p50Ms } = found(what, who);
      const figures = [number(perSecond), number(cpuMs), number(p50Ms)];
      return `| ${[what, label, ...figures].join(' | ')} |`;
    }),
  );
  const head = '| | | notifications/s | CPU, µs for each | median, ms |';
  return [head, '|---|---|--:|--:|--:|', ...lines].join('\n');
}
