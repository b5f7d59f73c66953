import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderEncoder, HeaderReader } from '../../src/apns/hpack.js';
import { decodeHuffman } from '../../src/apns/huffman.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(block: Buffer): string[] {
  const reader = new HeaderReader();
  const fields: string[] = [];
  reader.open(block, 0, block.length);
  while (reader.next()) fields.push(reader.name, reader.value);
  return fields;
}

const firstRequest = [
  ':method',
  'GET',
  ':scheme',
  'http',
  ':path',
  '/',
  ':authority',
  'www.example.com',
];
const firstResponse = [
  ...[':status', '302', 'cache-control', 'private'],
  ...['date', 'Mon, 21 Oct 2013 20:13:21 GMT', 'location', 'https://www.example.com'],
];

/** RFC 7541, Appendix C: all that stands for itself, without a dynamic table. */
const examples: [section: string, block: string, fields: string[]][] = [
  [
    'C.2.1',
    '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    ['custom-key', 'custom-header'],
  ],
  ['C.2.2', '040c 2f73 616d 706c 652f 7061 7468', [':path', '/sample/path']],
  ['C.2.3', '1008 7061 7373 776f 7264 0673 6563 7265 74', ['password', 'secret']],
  ['C.2.4', '82', [':method', 'GET']],
  ['C.3.1', '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', firstRequest],
  ['C.4.1', '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', firstRequest],
  [
    'C.5.1',
    `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
     3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`.replaceAll(
      /\s/g,
      '',
    ),
    firstResponse,
  ],
  [
    'C.6.1',
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
     919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`.replaceAll(/\s/g, ''),
    firstResponse,
  ],
];

for (const [section, block, fields] of examples) {
  test(`RFC 7541, ${section} is decoded`, () => {
    assert.deepEqual(decode(hex(block)), fields);
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
     03ed 4ee5 b106 3d50 07`.replaceAll(/\s/g, ''),
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ],
];

test('every Huffman string of RFC 7541, C.4 and C.6 is decoded', () => {
  for (const [code, text] of strings) {
    assert.equal(decodeHuffman(hex(code), 0, hex(code).length), text);
  }
});

test('integers are read and written as in RFC 7541, C.1', () => {
  // C.1.1 and C.1.3 as table sizes and lengths; C.1.2 as the length of a string.
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
  ['an index beyond the static table', 'be'],
  ['a name beyond the static table', '7f00 0161'],
  ['a table size above 0', '3f e11f'],
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

test('a table size of 0 may come before the headers', () => {
  assert.deepEqual(decode(hex('20 20 88')), [':status', '200']);
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
