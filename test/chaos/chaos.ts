/**
 * The chaos harness, `npm run chaos`: an app sends at full pace while everything goes wrong, first with apnsd's client,
 * then with the policy of the wrapper before it. Exits with 1 unless ours lost nothing and doubled nothing it could know of.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Judgement, judge } from './ledger.js';
import type { Policy } from './load.js';
import { run } from './run.js';
import { allKinds, type Kind, schedule } from './schedule.js';

const usage = `Usage: npm run chaos -- [options]

  --seed N            what goes wrong and when; the same again for the same N (random)
  --seconds S         how long the app sends (30)
  --rate N            notifications a second (2000)
  --only POLICY       'healing' or 'old wrapper' (both)
  --kinds LIST        of ${allKinds.join(', ')} (all)
`;
const mostFaults = 20;

const { seed, seconds, rate, policies, kinds } = readOptions();
const plan = { seed, seconds, kinds };
console.log(`seed ${seed}: npm run chaos -- --seed ${seed} repeats it`);

const judgements = new Map<Policy, Judgement>();
for (const policy of policies) {
  console.log(`\n${policy}: ${rate} notifications a second for ${seconds} s`);
  const judgement = judge(await run({ ...plan, policy, rate, say: console.log }));
  judgements.set(policy, judgement);
  console.log(`reached ${Math.round(judgement.sent / seconds)} a second`);
}

const counts = new Map<Kind, number>();
for (const { kind } of schedule(plan).flat()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
console.log(`\nevents: ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}\n`);
printTable(judgements);

const faults = judgements.get('healing')?.faults ?? [];
if (faults.length > 0) console.error('\nhealing:');
for (const fault of faults.slice(0, mostFaults)) console.error(fault);
if (faults.length > mostFaults) console.error(`and ${faults.length - mostFaults} more`);
process.exitCode = faults.length === 0 ? 0 : 1;

function printTable(judgements: Map<Policy, Judgement>): void {
  const columns: [title: string, cell: (policy: Policy, judgement: Judgement) => unknown][] = [
    ['policy', (policy) => policy],
    ['sent', (_, { sent }) => sent],
    ['accepted', (_, { accepted }) => accepted],
    ['rejected', (_, { rejected }) => rejected],
    ['failed', (_, { failed }) => failed],
    ['missing', (_, { missing }) => missing],
    ['twice (allowed)', (_, { twiceAllowed }) => twiceAllowed],
    ['twice (not allowed)', (_, { twiceForbidden }) => twiceForbidden],
    ['median ms', (_, { medianMs }) => medianMs],
    ['p99 ms', (_, { p99Ms }) => p99Ms],
    ['longest ms', (_, { longestMs }) => longestMs],
  ];
  const texts = columns.map(([title, cell]) => {
    const cells = [...judgements].map(([policy, judgement]) => String(cell(policy, judgement)));
    const width = Math.max(...[title, ...cells].map(({ length }) => length));
    return [title, ...cells].map((text) => text.padStart(width));
  });
  for (let row = 0; row <= judgements.size; row += 1) {
    console.log(texts.map((column) => column[row]).join('  '));
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: String(randomInt(2 ** 32)) },
        seconds: { type: 'string', default: '30' },
        rate: { type: 'string', default: '2000' },
        only: { type: 'string', multiple: true, default: ['healing', 'old wrapper'] },
        kinds: { type: 'string', default: allKinds.join() },
      },
    });
    return {
      seed: number('seed', values.seed),
      seconds: number('seconds', values.seconds),
      rate: number('rate', values.rate),
      policies: values.only.map((name) => oneOf('only', ['healing', 'old wrapper'] as const, name)),
      kinds: values.kinds.split(',').map((name) => oneOf('kinds', allKinds, name)),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new Error(`--${name} is ${JSON.stringify(text)}, expected a number from 0`);
}

function oneOf<T extends string>(name: string, known: readonly T[], text: string): T {
  const found = known.find((word) => word === text);
  if (found) return found;
  throw new Error(`--${name} has ${JSON.stringify(text)}, expected ${known.join(', ')}`);
}
