/** What a notification is known by, as numbers: they are compared faster than texts, and kept without objects. */
import { randomInt } from 'node:crypto';

/** Others in each process, so that nobody can choose texts that come to the same. */
const factors = [oddNumber(), oddNumber()] as const;

/** 64 bits of a text. */
export class Digest {
  readonly high: number;
  readonly low: number;

  constructor(text: string) {
    this.high = digested(text, factors[0]);
    this.low = digested(text, factors[1]);
  }

  equals({ high, low }: Digest): boolean {
    return this.high === high && this.low === low;
  }
}

/** The whole id, and 64 bits of whom it is for. */
export class Fingerprint {
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  readonly id3: number;
  readonly to0: number;
  readonly to1: number;
  /** The place in a table, once it is cut to its size. */
  readonly hash: number;

  /** @param id a UUID in its canonical form */
  constructor(app: Digest, token: string, id: string) {
    this.id0 = hexOf(id, 0, 8);
    this.id1 = (hexOf(id, 9, 13) << 16) | hexOf(id, 14, 18);
    this.id2 = (hexOf(id, 19, 23) << 16) | hexOf(id, 24, 28);
    this.id3 = hexOf(id, 28, 36);
    this.to0 = digested(token, factors[0]) ^ app.high;
    this.to1 = digested(token, factors[1]) ^ app.low;
    let hash = this.to0;
    hash = Math.imul(hash ^ this.id0, factors[0]);
    hash = Math.imul(hash ^ this.id1, factors[0]);
    hash = Math.imul(hash ^ this.id2, factors[0]);
    hash = Math.imul(hash ^ this.id3, factors[0]);
    this.hash = hash ^ (hash >>> 16);
  }

  /** For tables that are too small for numbers to be worth it. */
  get key(): string {
    return `${this.id0},${this.id1},${this.id2},${this.id3},${this.to0},${this.to1}`;
  }

  equals(other: Fingerprint): boolean {
    return (
      this.id0 === other.id0 &&
      this.id1 === other.id1 &&
      this.id2 === other.id2 &&
      this.id3 === other.id3 &&
      this.to0 === other.to0 &&
      this.to1 === other.to1
    );
  }
}

function oddNumber(): number {
  return (randomInt(2 ** 31) << 1) | 1;
}

function digested(text: string, factor: number): number {
  let digest = text.length;
  for (let at = 0; at < text.length; at += 1) {
    digest = Math.imul(digest ^ text.charCodeAt(at), factor);
    digest ^= digest >>> 15;
  }
  return digest;
}

const ZERO = 48;
const SMALL_A_LESS_10 = 87;

/** Of lower-case digits. */
function hexOf(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    value = (value << 4) | (code - (code > 57 ? SMALL_A_LESS_10 : ZERO));
  }
  return value;
}
