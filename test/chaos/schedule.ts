/** What goes wrong and when, drawn from a seed: the same seed gives the same plan. */
import { createHash } from 'node:crypto';

/** Each track does one thing after another; the tracks run side by side, so that troubles overlap. */
const tracks = [
  { kinds: ['kill', 'stop', 'terminate'], everyMs: 5000 },
  { kinds: ['close', 'silence'], everyMs: 10_000 },
  { kinds: ['goAway', 'reset', 'stall', 'hangUp', 'refuse'], everyMs: 1500 },
  { kinds: ['certificate'], everyMs: 8000 },
] as const;

export type Kind = (typeof tracks)[number]['kinds'][number];

export const allKinds: readonly Kind[] = tracks.flatMap(({ kinds }) => kinds);

export interface Trouble {
  kind: Kind;
  /** Since the start of the load, in milliseconds. */
  atMs: number;
  /** How long the daemon or the way to it is away, in milliseconds. */
  forMs: number;
  /** How many requests Apple treats badly. */
  times: number;
  /** Whether Apple does so before or after it has recorded them. */
  when: 'before' | 'after';
}

export interface Plan {
  seed: number;
  seconds: number;
  /** Only these. */
  kinds: readonly Kind[];
}

/** The tracks, each in order of time; each kind comes at least once. */
export function schedule({ seed, seconds, kinds }: Plan): Trouble[][] {
  const random = randomFrom(seed);
  return tracks.map((track) => {
    const wanted = track.kinds.filter((kind) => kinds.includes(kind));
    if (wanted.length === 0) return [];
    const count = Math.max(wanted.length, Math.round((seconds * 1000) / track.everyMs));
    const slotMs = (seconds * 1000) / count;
    let deck: Kind[] = [];
    return Array.from({ length: count }, (_, slot): Trouble => {
      if (deck.length === 0) deck = [...wanted];
      const [kind = wanted[0] as Kind] = deck.splice(Math.floor(random() * deck.length), 1);
      return {
        kind,
        atMs: Math.round((slot + random() * 0.3) * slotMs),
        forMs: Math.round((0.1 + random() * 0.4) * slotMs),
        times: 1 + Math.floor(random() * 10),
        when: random() < 0.5 ? 'before' : 'after',
      };
    });
  });
}

/** Numbers from 0 to below 1, the same ones for the same seed. */
function randomFrom(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed} ${drawn}`).digest().readUInt32BE() / 2 ** 32;
  };
}
