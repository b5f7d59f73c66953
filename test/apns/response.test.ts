import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Frame } from '../../src/apns/frame-reader.js';
import { type Head, HeadReader } from '../../src/apns/response.js';

function read(reader: HeadReader, fields: string[]): Head | undefined | 'broken' {
  const frame = new Frame();
  frame.bytes = Buffer.from(`ff${fields.join('')}ff`, 'hex');
  frame.start = 1;
  frame.end = frame.bytes.length - 1;
  try {
    return reader.read(frame);
  } catch {
    return 'broken';
  }
}

/** Statuses, literals with one name and another, a Huffman string, a size update, an index that is broken. */
const fields = ['88', '8d', '4803343130', '0001610162', '000161026263', '5f839bd9ab', '20', 'be'];

test('a block that begins as an earlier one reads as if it were the first', () => {
  const block = fc.array(fc.constantFrom(...fields), { maxLength: 5 });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const reader = new HeadReader();
      for (const one of blocks) assert.deepEqual(read(reader, one), read(new HeadReader(), one));
    }),
    { numRuns: 1000 },
  );
});

test('what one answer says does not show in the next', () => {
  const reader = new HeadReader();
  read(reader, ['88', '0001610162']);
  const first = read(reader, ['88', '000162026263']);
  const second = read(reader, ['88']);
  assert.deepEqual(first, { status: 200, headers: { b: 'bc' } });
  assert.deepEqual(second, { status: 200, headers: {} });
});
