import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frame } from '../../../src/apns/http2/codec/frame-reader.js';
import { HeaderReader } from '../../../src/apns/http2/codec/hpack.js';
import { type ResponseHead, ResponseHeadReader } from '../../../src/apns/http2/response.js';

function frameOf(fields: string[]): Frame {
  const frame = new Frame();
  frame.bytes = Buffer.from(`ff${fields.join('')}ff`, 'hex');
  frame.start = 1;
  frame.end = frame.bytes.length - 1;
  return frame;
}

function read(reader: ResponseHeadReader, fields: string[]): ResponseHead | undefined | 'broken' {
  try {
    return reader.read(frameOf(fields));
  } catch {
    return 'broken';
  }
}

/** The same, without any memory but the table. */
function readPlainly(reader: HeaderReader, fields: string[]): ResponseHead | undefined | 'broken' {
  const { bytes, start, end } = frameOf(fields);
  const said: [name: string, value: string][] = [];
  try {
    reader.open(bytes, start, end);
    while (reader.next()) said.push([reader.name, reader.value]);
  } catch {
    return 'broken';
  }
  const [status, ...others] = said;
  const [pseudo, code = ''] = status ?? [];
  if (pseudo !== ':status' || !/^\d{3}$/.test(code)) return undefined;
  if (others.some(([name]) => name.startsWith(':'))) return undefined;
  const headers: Record<string, string> = {};
  for (const [name, value] of others) {
    if (name !== 'apns-id') headers[name] = headers[name] ? `${headers[name]}, ${value}` : value;
  }
  return { status: Number(code), headers };
}

const apnsId = '61706e732d6964';
/** Statuses, literals with one name and another, a Huffman string, size updates, references to the table. */
const fields = [
  ...['88', '8d', '4803343130', '0803343130', '0001610162', '000161026263', '5f839bd9ab', '90'],
  ...['4001610162', '400161026263', '7e0163', '0f2f0164', '20', '3f07', '3fe11f', 'be', 'bf', 'c0'],
  ...[`0007${apnsId}0131`, `0007${apnsId}023233`, `4007${apnsId}0131`, `4007${apnsId}820000`],
];

test('a block that begins as an earlier one reads as if nothing but the table were remembered', () => {
  const block = fc.array(fc.constantFrom(...fields), { maxLength: 5 });
  const blocks = fc.oneof(
    fc.array(block, { maxLength: 12 }),
    // A few that come again and again.
    fc
      .array(block, { minLength: 1, maxLength: 3 })
      .chain((few) => fc.array(fc.constantFrom(...few), { maxLength: 12 })),
  );
  fc.assert(
    fc.property(blocks, (all) => {
      const reader = new ResponseHeadReader();
      const plain = new HeaderReader();
      for (const one of all) {
        const head = read(reader, one);
        assert.deepEqual(head, readPlainly(plain, one));
        // The connection ends.
        if (head === 'broken') return;
      }
    }),
    { numRuns: 5000 },
  );
});

test('what one answer says does not show in the next', () => {
  const reader = new ResponseHeadReader();
  read(reader, ['88', '0001610162']);
  const first = read(reader, ['88', '000162026263']);
  const second = read(reader, ['88']);
  assert.deepEqual(first, { status: 200, headers: { b: 'bc' } });
  assert.deepEqual(second, { status: 200, headers: {} });
});

test('the same bytes say something else once the table has changed', () => {
  const reader = new ResponseHeadReader();
  assert.deepEqual(read(reader, ['88', '4001610162']), { status: 200, headers: { a: 'b' } });
  for (let round = 0; round < 3; round += 1) {
    assert.deepEqual(read(reader, ['88', 'be']), { status: 200, headers: { a: 'b' } });
  }
  // Trailers have their part in the table too.
  assert.equal(reader.readTrailers(frameOf(['4001610163'])), true);
  assert.deepEqual(read(reader, ['88', 'be']), { status: 200, headers: { a: 'c' } });
  assert.deepEqual(read(reader, ['20', '88']), { status: 200, headers: {} });
  assert.equal(read(reader, ['88', 'be']), 'broken');
});

test('an answer that ends with a header of the static table reads the same again and again', () => {
  const reader = new ResponseHeadReader();
  for (let round = 0; round < 3; round += 1) {
    const headers = { 'accept-encoding': 'gzip, deflate' };
    assert.deepEqual(read(reader, ['88', '90']), { status: 200, headers });
  }
});

const long = `4001617fb23e${'62'.repeat(8113)}`;
/** Malformed, or longer than we take, with `found: it` put into the table at their end. */
const entry = '4005666f756e64026974';
const malformed: [what: string, fields: string[]][] = [
  ['no status', ['0001610162', entry]],
  ['a status that is none', ['08023939', entry]],
  ['a name in upper case', ['88', '0001410162', entry]],
  ['a second status', ['88', '88', entry]],
  ['a header of the connection', ['88', '0007757067726164650162', entry]],
  ['a list that is too long', ['88', long, long, long, entry]],
  [
    'references to far more than that',
    ['88', `4001617fa11e${'62'.repeat(4000)}`, 'be'.repeat(9999), entry],
  ],
];

for (const [what, block] of malformed) {
  test(`a head with ${what} is refused, and what it puts into the table is there`, () => {
    const reader = new ResponseHeadReader();
    assert.equal(read(reader, block), undefined);
    assert.deepEqual(read(reader, ['88', 'be']), { status: 200, headers: { found: 'it' } });
  });
  test(`trailers with ${what}: what they put into the table is there`, () => {
    const reader = new ResponseHeadReader();
    reader.readTrailers(frameOf(block));
    assert.deepEqual(read(reader, ['88', 'be']), { status: 200, headers: { found: 'it' } });
  });
}
