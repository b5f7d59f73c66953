import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderEncoder, HeaderReader } from '../../../../src/apns/http2/codec/hpack.js';
import { decodeHuffman } from '../../../../src/apns/http2/codec/huffman.js';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

function decode(block: Buffer, reader = new HeaderReader()): string[] {
  const fields: string[] = [];
  reader.open(block, 0, block.length);
  while (reader.next()) fields.push(reader.name, reader.value);
  return fields;
}

/** What the reader's table holds, the newest first: name, value, name, value … */
function tableOf(reader: HeaderReader): string[] {
  const fields: string[] = [];
  for (let index = 62; ; index += 1) {
    const block = index < 127 ? [0x80 | index] : [0xff, index - 127];
    try {
      fields.push(...decode(Buffer.from(block), reader));
    } catch (error) {
      assert.match(String(error), /COMPRESSION_ERROR.* in no table/);
      return fields;
    }
  }
}

/** As RFC 7541, section 4.1, counts. */
function sizeOf(fields: string[]): number {
  return fields.join('').length + 32 * (fields.length / 2);
}

/** RFC 7541, C.2: each with a table of its own. */
const representations: [section: string, block: string, fields: string[], table: string[]][] = [
  [
    'C.2.1',
    '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    ['custom-key', 'custom-header'],
    ['custom-key', 'custom-header'],
  ],
  ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path'], []],
  ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret'], []],
  ['C.2.4', '82', [':method', 'GET'], []],
];

for (const [section, block, fields, table] of representations) {
  test(`RFC 7541, ${section} is decoded`, () => {
    const reader = new HeaderReader();
    assert.deepEqual(decode(hex(block), reader), fields);
    assert.deepEqual(tableOf(reader), table);
  });
}

const authority = [':authority', 'www.example.com'];
const noCache = ['cache-control', 'no-cache'];
const custom = ['custom-key', 'custom-value'];
const plainRequest = [':method', 'GET', ':scheme', 'http', ':path', '/', ...authority];

/** The requests of C.3 and C.4: the fields, the table afterwards, its size. */
const requests: [fields: string[], table: string[], size: number][] = [
  [plainRequest, authority, 57],
  [[...plainRequest, ...noCache], [...noCache, ...authority], 110],
  [
    [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ...authority, ...custom],
    [...custom, ...noCache, ...authority],
    164,
  ],
];

const found = [':status', '302'];
const temporary = [':status', '307'];
const shared = ['cache-control', 'private'];
const date = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const nextDate = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const location = ['location', 'https://www.example.com'];
const gzip = ['content-encoding', 'gzip'];
const cookie = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];

/** The responses of C.5 and C.6, with a table of 256 bytes. */
const responses: typeof requests = [
  [[...found, ...shared, ...date, ...location], [...location, ...date, ...shared, ...found], 222],
  [
    [...temporary, ...shared, ...date, ...location],
    [...temporary, ...location, ...date, ...shared],
    222,
  ],
  [
    [':status', '200', ...shared, ...nextDate, ...location, ...gzip, ...cookie],
    [...cookie, ...gzip, ...nextDate],
    215,
  ],
];

const examples: [section: string, tableSize: string, blocks: string[], says: typeof requests][] = [
  [
    'C.3',
    '',
    [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    requests,
  ],
  [
    'C.4',
    '',
    [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
    requests,
  ],
  [
    'C.5',
    '3fe101',
    [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
       3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
       677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
       553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ],
    responses,
  ],
  [
    'C.6',
    '3fe101',
    [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
       919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
       821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
       4ee5 b106 3d50 07`,
    ],
    responses,
  ],
];

for (const [section, tableSize, blocks, says] of examples) {
  test(`RFC 7541, ${section}: its blocks are decoded in their order, and the table is theirs`, () => {
    const reader = new HeaderReader();
    decode(hex(tableSize), reader);
    for (const [place, [fields, table, size]] of says.entries()) {
      assert.deepEqual(decode(hex(blocks[place] ?? ''), reader), fields);
      assert.deepEqual(tableOf(reader), table);
      assert.equal(sizeOf(table), size);
    }
  });
}

/** All strings of C.4 and C.6. */
const strings: [code: string, text: string][] = [
  ['f1e3 c2e5 f23a 6ba0 ab90 f4ff', 'www.example.com'],
  ['a8eb 1064 9cbf', 'no-cache'],
  ['25a8 49e9 5ba9 7d7f', 'custom-key'],
  ['25a8 49e9 5bb8 e8b4 bf', 'custom-value'],
  ['6402', '302'],
  ['aec3 771a 4b', 'private'],
  ['d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3', 'https://www.example.com'],
  ['640e ff', '307'],
  ['d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff', 'Mon, 21 Oct 2013 20:13:22 GMT'],
  ['9bd9 ab', 'gzip'],
  [
    `94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0
     03ed 4ee5 b106 3d50 07`,
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

test('every Huffman string of RFC 7541, C.4 and C.6 is decoded', () => {
  for (const [code, text] of strings) {
    assert.equal(decodeHuffman(hex(code), 0, hex(code).length), text);
  }
});

test('integers are read and written as in RFC 7541, C.1', () => {
  // C.1.1 and C.1.2: 10 and 1337 with five bits, as the size of a table with an entry of 1337 bytes.
  const sizes: [size: string, fits: boolean][] = [
    ['2a', false],
    ['3f9a0a', true],
    ['3f990a', false],
  ];
  for (const [size, fits] of sizes) {
    const reader = new HeaderReader();
    const value = Buffer.alloc(1337 - 32 - 1, 'x');
    decode(Buffer.concat([hex(`${size} 4001 61 7f 9909`), value]), reader);
    assert.equal(tableOf(reader).length > 0, fits, size);
  }
  const long = 'x'.repeat(1337);
  const block = Buffer.concat([hex('0f19'), hex('7f ba09'), Buffer.from(long)]);
  assert.deepEqual(decode(block), ['if-modified-since', long]);
  const encoder = new HeaderEncoder();
  const buffer = Buffer.alloc(2000);
  const end = encoder.header(buffer, 0, 'apns-id', long);
  assert.equal(buffer.toString('hex', 0, 12), '000761706e732d69647fba09');
  assert.deepEqual(decode(buffer.subarray(0, end)), ['apns-id', long]);
});

const broken: [what: string, block: string][] = [
  ['index 0', '80'],
  ['an index beyond the static table, where the other is empty', 'be'],
  ['an index beyond both tables', '4001 6101 62 bf'],
  ['a name beyond both tables', '7f00 0161'],
  ['a table size above ours', '3f e21f'],
  ['a table size after a header', '88 20'],
  ['an integer that does not end', '7f ffff ffff ff'],
  ['an integer that is cut off', '7f ff'],
  ['a string that is cut off', '0003 6162'],
  ['a header without value', '0001 61'],
  ['EOS in a Huffman string', '0001 6184 ffff ffff'],
  ['a byte of padding', '0001 6182 1fff'],
  ['padding that is not ones', '0001 6181 18'],
];

for (const [what, block] of broken) {
  test(`${what} is COMPRESSION_ERROR`, () => {
    assert.throws(() => decode(hex(block)), /COMPRESSION_ERROR/);
  });
}

test('table sizes may come before the headers, and what does not fit is gone', () => {
  const reader = new HeaderReader();
  const entry = (name: string) => `4001 ${Buffer.from(name).toString('hex')} 0131`;
  decode(hex(`${entry('a')} ${entry('b')} ${entry('c')}`), reader);
  // Room for two of 34 bytes, and for none of them for a moment.
  assert.deepEqual(decode(hex('3f25 88'), reader), [':status', '200']);
  assert.deepEqual(tableOf(reader), ['c', '1', 'b', '1']);
  decode(hex(`${entry('d')}`), reader);
  assert.deepEqual(tableOf(reader), ['d', '1', 'c', '1']);
  decode(hex('20 3f e11f 88'), reader);
  assert.deepEqual(tableOf(reader), []);
});

test('an entry larger than the table empties it, and one that evicts its own name has it', () => {
  const reader = new HeaderReader();
  decode(hex('3f03 4001 6101 31'), reader);
  // The name is the only entry's, which goes.
  assert.deepEqual(decode(hex('7e 0132'), reader), ['a', '2']);
  assert.deepEqual(tableOf(reader), ['a', '2']);
  assert.deepEqual(decode(hex('7e 023333'), reader), ['a', '33']);
  assert.deepEqual(tableOf(reader), []);
});

test('a header that nobody reads counts in the table as it is', () => {
  // 34 + 41 + 34 bytes, with the value as it is or in the Huffman code, where the table has 3 less.
  for (const value of ['08 3030303030303030', '85 0000000000']) {
    const reader = new HeaderReader('u');
    assert.deepEqual(decode(hex(`3f4b 4001 6101 31 4001 75 ${value} 4001 6201 31`), reader), [
      'a',
      '1',
      'u',
      '',
      'b',
      '1',
    ]);
    assert.deepEqual(tableOf(reader), ['b', '1', 'u', '']);
  }
});

/** Strings with a code of their own, so that the encoder below needs no Huffman table. */
const coded = new Map(strings.map(([code, text]) => [text, hex(code)]));
const names = [':path', 'date', 'custom-key', 'x-other', 'y'.repeat(30)];
const values = [...coded.keys(), '', 'a', 'v'.repeat(1000), 'w'.repeat(4054), 'z'.repeat(4100)];

const field = fc.record({
  name: fc.constantFrom(...names),
  value: fc.constantFrom(...values),
  as: fc.constantFrom('index' as const, 'indexing' as const, 'plain' as const, 'never' as const),
  byIndex: fc.boolean(),
  huffman: fc.boolean(),
});
const blockOfFields = fc.record({
  tableSizes: fc.array(fc.constantFrom(0, 33, 200, 1100, 4096), { maxLength: 2 }),
  fields: fc.array(field, { maxLength: 8 }),
});

/** RFC 7541 once more, from the other side, with a plain list for a table. */
class Model {
  readonly table: string[] = [];
  #maxSize = 4096;

  encode({ tableSizes, fields }: { tableSizes: number[]; fields: Field[] }): Buffer {
    const updates = tableSizes.map((size) => {
      this.#maxSize = size;
      this.#evict(size);
      return integer(0x20, 0x1f, size);
    });
    return Buffer.concat([...updates, ...fields.map((one) => this.#field(one))]);
  }

  #field({ name, value, as, byIndex, huffman }: Field): Buffer {
    const index = this.#index((at) => this.table[at] === name && this.table[at + 1] === value);
    if (as === 'index' && index > 0) return integer(0x80, 0x7f, index);
    const nameIndex = byIndex ? this.#index((at) => this.table[at] === name) : 0;
    const [pattern, mask] = {
      index: [0, 15],
      indexing: [0x40, 63],
      plain: [0, 15],
      never: [16, 15],
    }[as];
    if (as === 'indexing') {
      const size = sizeOf([name, value]);
      this.#evict(this.#maxSize - size);
      if (size <= this.#maxSize) this.table.unshift(name, value);
    }
    const head = integer(pattern ?? 0, mask ?? 0, nameIndex);
    const parts = nameIndex > 0 ? [value] : [name, value];
    return Buffer.concat([head, ...parts.map((part) => string(part, huffman))]);
  }

  #index(fits: (at: number) => boolean): number {
    const at = this.table.findIndex((_, place) => place % 2 === 0 && fits(place));
    return at < 0 ? 0 : 62 + at / 2;
  }

  #evict(size: number): void {
    while (this.table.length > 0 && sizeOf(this.table) > size) this.table.length -= 2;
  }
}

type Field = typeof field extends fc.Arbitrary<infer T> ? T : never;

function string(text: string, huffman: boolean): Buffer {
  const code = huffman ? coded.get(text) : undefined;
  if (code) return Buffer.concat([integer(0x80, 0x7f, code.length), code]);
  return Buffer.concat([integer(0, 0x7f, text.length), Buffer.from(text, 'latin1')]);
}

function integer(pattern: number, mask: number, value: number): Buffer {
  if (value < mask) return Buffer.from([pattern | value]);
  const bytes = [pattern | mask];
  for (let rest = value - mask; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

test('whatever an encoder makes of its table, ours has the same', () => {
  fc.assert(
    fc.property(fc.array(blockOfFields, { maxLength: 12 }), (blocks) => {
      const model = new Model();
      const reader = new HeaderReader();
      for (const block of blocks) {
        const said = block.fields.flatMap(({ name, value }) => [name, value]);
        assert.deepEqual(decode(model.encode(block), reader), said);
        assert.deepEqual(tableOf(reader), model.table);
      }
    }),
    { numRuns: 1000 },
  );
});

test('entries of the least size fill the table, and go one by one', () => {
  const reader = new HeaderReader();
  // 300 entries without name or value: 128 of them fit.
  decode(hex('40 00 00'.repeat(300)), reader);
  assert.equal(tableOf(reader).length, 2 * 128);
  decode(hex('4001 6100'), reader);
  assert.deepEqual(tableOf(reader), ['a', '', ...Array(2 * 126).fill('')]);
});

test('any bytes are decoded or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decode(Buffer.from(bytes));
      } catch (error) {
        assert.match(String(error), /COMPRESSION_ERROR/);
      }
    }),
    { numRuns: 2000 },
  );
});

test('path and ids are never put into the table, constants once', () => {
  const encoder = new HeaderEncoder();
  const buffer = Buffer.alloc(4096);
  const blockOf = (path: string) => {
    let at = encoder.start(buffer, 0);
    at = encoder.header(buffer, at, ':method', 'POST');
    at = encoder.header(buffer, at, ':path', path);
    at = encoder.header(buffer, at, 'apns-topic', 'com.example.app');
    at = encoder.header(buffer, at, 'apns-id', 'an id');
    return Buffer.from(buffer.subarray(0, at));
  };
  const first = blockOf('/one');
  const second = blockOf('/two');
  assert.ok(first.includes('com.example.app') && !second.includes('com.example.app'));
  assert.equal(
    second.toString('hex'),
    '83 04042f74776f be 0007 61706e732d6964 05616e206964'.replaceAll(' ', ''),
  );
  assert.deepEqual(blockOf('/two'), second);
});
