/** Measures the parts that are wanted, each in turns, and holds what was found against what is to be reached. */
import { clearAway } from '../support/leftovers.js';
import { codecPart } from './codec.js';
import { footprintPart } from './footprint.js';
import { growthPart } from './growth.js';
import { latencyPart } from './latency.js';
import { describeMachine, type Machine } from './machine.js';
import {
  type Case,
  finder,
  type Goal,
  measureInTurns,
  type Part,
  type Row,
  reached,
} from './part.js';
import { pathPart } from './path.js';
import { senderPart } from './sender.js';
import { type Sink, startSink } from './stage.js';

export interface Results {
  machine: Machine;
  sink: string;
  rounds: number;
  rows: Row[];
  goals: (Goal & { reached: boolean })[];
}

interface Options {
  names: PartName[];
  rounds: number;
  /** 1 measures enough for figures to stand; less is for a look. */
  scale: number;
  /** Which cases are measured. @default all */
  only?: (each: Case) => boolean;
  say: (what: string) => void;
}

const parts = {
  sender: senderPart,
  path: pathPart,
  latency: latencyPart,
  growth: growthPart,
  codec: (_sink, scale) => codecPart(scale),
  footprint: footprintPart,
} satisfies Record<string, (sink: Sink, scale: number) => Part>;

export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as PartName[];

export async function runParts(options: Options): Promise<Results> {
  const { names, rounds, scale, only = () => true, say } = options;
  const rows: Row[] = [];
  const goals: Goal[] = [];
  await using sink = await startSink();
  try {
    for (const name of names) {
      const part = parts[name](sink, scale);
      const found = await measureInTurns(part.cases.filter(only), rounds, say);
      rows.push(...found.map((figures) => ({ part: name, ...figures })));
      goals.push(...part.goals(finder(found)));
    }
  } finally {
    await clearAway();
  }
  return {
    machine: describeMachine(),
    sink: sink.name,
    rounds,
    rows,
    goals: goals.map((goal) => ({ ...goal, reached: reached(goal) })),
  };
}
