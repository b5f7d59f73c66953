/** Makes ids: crypto.randomUUID glues each from twenty pieces, which costs more, and whatever waits with it is moved with all of them. */

const digits = Buffer.from('0123456789abcdef');
const text = Buffer.from('00000000-0000-0000-0000-000000000000');
/** Where the two digits of each byte stand. */
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** Taken by the page: asking costs more than what one id needs. */
const random = new Uint8Array(4096);
let used = random.length;

/** A random UUID, version 4, in lower case. */
export function newId(): string {
  if (used === random.length) {
    crypto.getRandomValues(random);
    used = 0;
  }
  const version = used + 6;
  const variant = used + 8;
  random[version] = 0x40 | (byteAt(version) & 0x0f);
  random[variant] = 0x80 | (byteAt(variant) & 0x3f);
  for (const place of places) {
    const byte = byteAt(used);
    text[place] = digits[byte >> 4] as number;
    text[place + 1] = digits[byte & 15] as number;
    used += 1;
  }
  return text.toString('latin1');
}

function byteAt(position: number): number {
  return random[position] as number;
}
