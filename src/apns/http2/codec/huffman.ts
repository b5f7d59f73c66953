/** Reads strings in HPACK's Huffman code (RFC 7541, section 5.2 and Appendix B). */
import { Http2Error } from './frames.js';

/** The symbols by the length of their code; the codes are canonical: counted up by length, then by symbol. */
const symbolsByBits: readonly (readonly [bits: number, symbols: readonly number[]])[] = [
  [5, text('012aceiost')],
  [6, text(' %-./3456789=A_bdfghlmnpru')],
  [7, text(':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz')],
  [8, text('&*,;XZ')],
  [10, text('!"()?')],
  [11, text("'+|")],
  [12, text('#>')],
  [13, text('\0$@[]~')],
  [14, text('^}')],
  [15, text('<`{')],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [
    22,
    [
      129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187,
      189, 190, 196, 198, 228, 232, 233,
    ],
  ],
  [
    23,
    [
      1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168,
      174, 175, 180, 182, 183, 188, 191, 197, 231, 239,
    ],
  ],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [
    27,
    [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254],
  ],
  [
    28,
    [
      2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30,
      31, 127, 220, 249,
    ],
  ],
  [30, [10, 13, 22]],
];

/**
 * The code as a tree that is walked a byte at a time: 256 entries a node. An entry is a symbol and
 * how many of the byte's bits it used, or the number of the next node; 0 is no code (the root is no one's next).
 */
const LEAF = 0x8000;
const tree = buildTree();

let scratch = Buffer.alloc(256);

/** @throws Breach where a code is unknown or the padding is not the start of EOS, or longer than 7 bits. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string {
  const length = huffmanLength(bytes, start, end);
  return scratch.toString('latin1', 0, length);
}

/** How long the string is; the scratch has it then. @throws Breach like {@link decodeHuffman} */
export function huffmanLength(bytes: Buffer, start: number, end: number): number {
  const longest = Math.floor(((end - start) * 8) / 5);
  if (scratch.length < longest) scratch = Buffer.alloc(longest);
  const symbols = scratch;
  let length = 0;
  let node = 0;
  let pending = 0;
  let pendingBits = 0;
  let bitsSinceSymbol = 0;
  for (let at = start; at < end; at += 1) {
    pending = ((pending << 8) | (bytes[at] ?? 0)) & 0xffff;
    pendingBits += 8;
    bitsSinceSymbol += 8;
    while (pendingBits >= 8) {
      const entry = tree[node + ((pending >>> (pendingBits - 8)) & 0xff)] ?? 0;
      if (entry >= LEAF) {
        symbols[length++] = entry & 0xff;
        node = 0;
        pendingBits -= (entry >>> 8) & 0xf;
        bitsSinceSymbol = pendingBits;
      } else {
        if (entry === 0) throw notHuffman();
        node = entry << 8;
        pendingBits -= 8;
      }
    }
  }
  while (pendingBits > 0) {
    const entry = tree[node + ((pending << (8 - pendingBits)) & 0xff)] ?? 0;
    const bits = (entry >>> 8) & 0xf;
    if (entry < LEAF || bits > pendingBits) break;
    symbols[length++] = entry & 0xff;
    node = 0;
    pendingBits -= bits;
    bitsSinceSymbol = pendingBits;
  }
  const padding = (1 << pendingBits) - 1;
  if (bitsSinceSymbol > 7 || (pending & padding) !== padding) throw notHuffman();
  return length;
}

function notHuffman(): Http2Error {
  return new Http2Error('COMPRESSION_ERROR', 'a header string is not in the Huffman code');
}

function buildTree(): Uint16Array {
  const entries: number[] = Array(256).fill(0);
  let code = 0;
  let codeBits = 0;
  for (const [bits, symbols] of symbolsByBits) {
    code <<= bits - codeBits;
    codeBits = bits;
    for (const symbol of symbols) addCode(entries, code++, bits, symbol);
  }
  return Uint16Array.from(entries);
}

function addCode(entries: number[], code: number, codeBits: number, symbol: number): void {
  let node = 0;
  let bits = codeBits;
  while (bits > 8) {
    bits -= 8;
    const place = node * 256 + ((code >>> bits) & 0xff);
    if (!entries[place]) {
      entries[place] = entries.length / 256;
      entries.push(...Array(256).fill(0));
    }
    node = entries[place] ?? 0;
  }
  const first = node * 256 + ((code << (8 - bits)) & 0xff);
  entries.fill(LEAF | (bits << 8) | symbol, first, first + (1 << (8 - bits)));
}

function text(symbols: string): number[] {
  return [...Buffer.from(symbols, 'latin1')];
}
