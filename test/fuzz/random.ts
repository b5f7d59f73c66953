/** Numbers by chance that come again. */
import { createHash } from 'node:crypto';

/** A whole number from 0 to below `below`. */
export type Random = (below: number) => number;

const DRAWS = 64;

/** The same numbers for the same seed. */
export function randomFrom(seed: string): Random {
  let drawn = 0;
  let block = Buffer.alloc(0);
  return (below) => {
    const at = drawn % DRAWS;
    if (at === 0) {
      const hash = createHash('shake256', { outputLength: DRAWS * 4 });
      block = hash.update(`${seed} ${drawn}`).digest();
    }
    drawn += 1;
    return Math.floor((block.readUInt32LE(at * 4) / 2 ** 32) * below);
  };
}

/** @param list of at least one */
export function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random(list.length)] as T;
}
