/** Reads ASN.1 written in BER, of which DER is a part, a level at a time and only where it is asked for. Source: ITU-T X.690. */

export interface Asn1 {
  /** The first byte: class, whether it has members, and number. */
  tag: number;
  /** All of it. */
  bytes: Buffer;
  /** What stands behind its length. */
  contents: Buffer;
}

export const tags = {
  integer: 0x02,
  objectId: 0x06,
  utf8String: 0x0c,
  /** Explicit, of the context. */
  zero: 0xa0,
  three: 0xa3,
} as const;

/** Real files have open lengths, or texts in pieces, on a few levels. */
const maxDepth = 16;
/** Longer object identifiers are of nothing that is known here. */
const maxIdBytes = 32;

/** The value that the bytes begin with. @throws Error where there is none */
export function readAsn1(bytes: Buffer): Asn1 {
  return valueAt(bytes, 0, 0);
}

/** The members of a structure; none of anything else. */
export function children(node: Asn1 | undefined): Asn1[] {
  if (!node || !isConstructed(node.tag)) return [];
  const members: Asn1[] = [];
  for (let at = 0; at < node.contents.length; ) {
    const member = valueAt(node.contents, at, 0);
    members.push(member);
    at += member.bytes.length;
  }
  return members;
}

/** The bytes of a string, also of one that was written in pieces. */
export function octets(node: Asn1 | undefined, depth = 0): Buffer {
  if (!node) return Buffer.alloc(0);
  if (!isConstructed(node.tag)) return node.contents;
  if (depth === maxDepth) throw new Error('the text is in pieces of pieces');
  return Buffer.concat(children(node).map((piece) => octets(piece, depth + 1)));
}

/** An object identifier in dots; empty for anything else. */
export function objectId(node: Asn1 | undefined): string {
  if (node?.tag !== tags.objectId || node.contents.length > maxIdBytes) return '';
  const numbers: bigint[] = [];
  let number = 0n;
  for (const byte of node.contents) {
    number = (number << 7n) | BigInt(byte & 0x7f);
    if (byte & 0x80) continue;
    numbers.push(number);
    number = 0n;
  }
  const [both = 0n, ...rest] = numbers;
  const first = both < 80n ? both / 40n : 2n;
  return [first, both - first * 40n, ...rest].join('.');
}

function isConstructed(tag: number): boolean {
  return (tag & 0x20) !== 0;
}

function valueAt(bytes: Buffer, start: number, depth: number): Asn1 {
  const tag = bytes.readUInt8(start);
  if ((tag & 0x1f) === 0x1f) throw new Error('a tag has more than one byte');
  const first = bytes.readUInt8(start + 1);
  let from = start + 2;
  if (first === 0x80) return openValueAt(bytes, start, depth);
  let length = first;
  if (first > 0x80) {
    const many = first & 0x7f;
    // readUIntBE refuses more bytes than a length here can need.
    length = bytes.readUIntBE(from, many);
    from += many;
  }
  const end = from + length;
  if (end > bytes.length) throw new Error('a value is longer than what holds it');
  return { tag, bytes: bytes.subarray(start, end), contents: bytes.subarray(from, end) };
}

/** Its length is left open: it ends with two zeros. */
function openValueAt(bytes: Buffer, start: number, depth: number): Asn1 {
  const tag = bytes.readUInt8(start);
  if (!isConstructed(tag) || depth === maxDepth) throw new Error('an open length can not be here');
  const from = start + 2;
  let at = from;
  while (bytes.readUInt16BE(at) !== 0) at += valueAt(bytes, at, depth + 1).bytes.length;
  return { tag, bytes: bytes.subarray(start, at + 2), contents: bytes.subarray(from, at) };
}
