/** What the benchmark is made of: parts, whose cases are measured in turns, and what is to be reached. */

/** What one measurement found, or the medians of several. */
export interface Figures {
  perSecond?: number;
  /** Milliseconds of CPU per 1,000, of all processes of ours that took part. */
  cpuMs?: number;
  /** The daemon's share of it. */
  daemonCpuMs?: number;
  p50Ms?: number;
  p99Ms?: number;
  /** Of the app's process: its peak, or what it has when idle. */
  rssMiB?: number;
  /** The daemon's peak. */
  daemonRssMiB?: number;
}

export interface Case {
  what: string;
  who: string;
  measure(): Promise<Figures>;
}

/** The medians of a case. */
export type Found = (what: string, who?: string) => Required<Figures>;

export interface Goal {
  what: string;
  found: number;
  unit: string;
  atMost?: number;
  atLeast?: number;
}

export interface Part {
  cases: Case[];
  /** Only ratios within a run, and what a user was promised. */
  goals(found: Found): Goal[];
}

export interface Row extends Figures {
  part: string;
  what: string;
  who: string;
}

/** Who is measured where nobody else is beside it. */
export const own = 'apnsd';

/** Measures all cases once in each round, so that what else the machine does meets all of them. */
export async function measureInTurns(
  cases: Case[],
  rounds: number,
  say: (what: string) => void,
): Promise<Omit<Row, 'part'>[]> {
  const found = new Map<Case, Figures[]>(cases.map((each) => [each, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [each, figures] of found) {
      say(`round ${round}: ${each.what}, ${each.who}`);
      figures.push(await each.measure());
    }
  }
  return [...found].map(([{ what, who }, figures]) => ({ what, who, ...medians(figures) }));
}

function medians(all: Figures[]): Figures {
  const names = Object.keys(all[0] ?? {}) as (keyof Figures)[];
  return Object.fromEntries(
    names.map((name) => [name, median(all.map((figures) => figures[name] ?? Number.NaN))]),
  );
}

export function median(samples: number[]): number {
  return [...samples].sort((a, b) => a - b)[samples.length >> 1] ?? Number.NaN;
}

const nothing: Required<Figures> = {
  perSecond: Number.NaN,
  cpuMs: Number.NaN,
  daemonCpuMs: Number.NaN,
  p50Ms: Number.NaN,
  p99Ms: Number.NaN,
  rssMiB: Number.NaN,
  daemonRssMiB: Number.NaN,
};

/** A figure that is not there is NaN, which reaches nothing. */
export function finder(rows: Omit<Row, 'part'>[]): Found {
  return (what, who = own) => ({
    ...nothing,
    ...rows.find((row) => row.what === what && row.who === who),
  });
}

export function reached({ found, atMost, atLeast }: Goal): boolean {
  return found <= (atMost ?? Number.POSITIVE_INFINITY) && found >= (atLeast ?? 0);
}
