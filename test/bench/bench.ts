/**
 * Measures how fast the package is, beside others: `npm run bench -- [--rounds N] [--scale N] [PART...]`, with parts
 * sender, path, latency, growth, codec and footprint. At full scale, path renews the chart and the table of README.md beside this.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chartOf } from './chart.js';
import { withFigures } from './readme.js';
import { type PartName, partNames, runParts } from './run-parts.js';
import { goalsOf, machineLine, tableOf } from './table.js';

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !partNames.includes(name as PartName));
if (unknown) throw new Error(`no part is called ${unknown}, expected ${partNames.join(', ')}`);

const names = positionals.length > 0 ? (positionals as PartName[]) : partNames;
const scale = Number(values.scale);
const rounds = Number(values.rounds);
const say = (what: string) => process.stderr.write(`${what}\n`);

const results = await runParts({ names, rounds, scale, say });
console.log(`\n${machineLine(results)}\n\n${tableOf(results)}\n\n${goalsOf(results)}`);

const root = join(import.meta.dirname, '../..');
await writeFile(join(root, 'bench-results.json'), `${JSON.stringify(results, null, 2)}\n`);
if (names.includes('path') && scale === 1) {
  await writeFile(join(import.meta.dirname, 'results.svg'), chartOf(results));
  const readme = join(import.meta.dirname, 'README.md');
  await writeFile(readme, withFigures(await readFile(readme, 'utf8'), results));
}
