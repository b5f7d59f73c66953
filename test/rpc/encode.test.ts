import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../src/rpc/faults.js';
import {
  decodeAnswer,
  decodeCall,
  encodeAnswer,
  encodeFault,
  Listing,
  type Value,
  type Writable,
  writeAnswer,
  XmlWriter,
} from '../../src/rpc/xml.js';
import { bare, decodeValue } from './calls.js';
import { deserializeMethodResponse, serializeMethodCall } from './npm-xmlrpc.js';
import { setZone, steadyZone } from './zone.js';

const valueIn = (answer: string) => /<param>(.*)<\/param>/s.exec(answer)?.[1] ?? '';

const values: [value: Value, xml: string][] = [
  [null, '<nil/>'],
  [true, '<boolean>1</boolean>'],
  [false, '<boolean>0</boolean>'],
  [0, '<int>0</int>'],
  [-0, '<int>0</int>'],
  [2_147_483_647, '<int>2147483647</int>'],
  [-2_147_483_648, '<int>-2147483648</int>'],
  [2_147_483_648, '<double>2147483648.0</double>'],
  [-2_147_483_649, '<double>-2147483649.0</double>'],
  [1_700_000_000_000, '<double>1700000000000.0</double>'],
  [0.1, '<double>0.1</double>'],
  [-1.5, '<double>-1.5</double>'],
  [1e-7, '<double>0.0000001</double>'],
  [-1.25e-9, '<double>-0.00000000125</double>'],
  [1e21, '<double>1000000000000000000000.0</double>'],
  [-1.5e22, '<double>-15000000000000000000000.0</double>'],
  ['', '<string></string>'],
  [' a ', '<string> a </string>'],
  ['<a> & "b" \'c\' ]]>', '<string>&lt;a&gt; &amp; "b" \'c\' ]]&gt;</string>'],
  ['a\tb\nc\rd', '<string>a\tb\nc&#13;d</string>'],
  ['\0\x1f\x7f\x85\ufffe\uffff', '<string>\ufffd\ufffd\x7f\x85\ufffd\ufffd</string>'],
  ['\ud83d😀\ude00', '<string>\ufffd😀\ufffd</string>'],
  [Buffer.from([0, 1, 255]), '<base64>AAH/</base64>'],
  [new Uint8Array([9, 0, 1, 255, 9]).subarray(1, 4), '<base64>AAH/</base64>'],
  [[], '<array><data></data></array>'],
  [
    [1, ['a']],
    '<array><data><value><int>1</int></value><value><array><data><value><string>a</string></value></data></array></value></data></array>',
  ],
  [{}, '<struct></struct>'],
  [
    { 'a<': null, b: 1 },
    '<struct><member><name>a&lt;</name><value><nil/></value></member><member><name>b</name><value><int>1</int></value></member></struct>',
  ],
];

for (const [value, xml] of values) {
  test(`an answer has ${JSON.stringify(xml)}`, () => {
    assert.equal(
      encodeAnswer(value),
      `<?xml version="1.0"?>\n<methodResponse><params><param><value>${xml}</value></param></params></methodResponse>\n`,
    );
  });
}

test('dates show local time, or UTC where that is asked for', (t) => {
  setZone(t, 'America/New_York');
  const date = new Date('2011-03-13T07:06:40.999Z');
  const shown = (text: string) => `<value><dateTime.iso8601>${text}</dateTime.iso8601></value>`;
  assert.equal(valueIn(encodeAnswer(date)), shown('20110313T03:06:40'));
  assert.equal(valueIn(encodeAnswer(date, { time: 'local' })), shown('20110313T03:06:40'));
  assert.equal(valueIn(encodeAnswer(date, { time: 'utc' })), shown('20110313T07:06:40'));
  const nested = valueIn(encodeAnswer([{ date }], { time: 'utc' }));
  assert.match(nested, /<dateTime.iso8601>20110313T07:06:40</);
});

test('a fault has its number first, as an int', () => {
  assert.equal(
    encodeFault(new Fault(404, 'app "a&b" is not provisioned')),
    '<?xml version="1.0"?>\n<methodResponse><fault><value><struct>' +
      '<member><name>faultCode</name><value><int>404</int></value></member>' +
      '<member><name>faultString</name><value><string>app "a&amp;b" is not provisioned</string></value></member>' +
      '</struct></value></fault></methodResponse>\n',
  );
});

test('what XML-RPC cannot carry throws', () => {
  const impossible: unknown[] = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    new Date(Number.NaN),
    new Date(8.64e15),
    undefined,
    1n,
    Symbol('a'),
    () => 1,
    [[undefined]],
    { a: Number.NaN },
  ];
  for (const value of impossible) {
    assert.throws(() => encodeAnswer(value as Value), TypeError);
  }
});

test('every finite number comes back exactly, and without exponent', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const xml = valueIn(encodeAnswer(number));
      assert.match(xml, /^<value>(<int>-?\d+<\/int>|<double>-?\d+\.\d+<\/double>)<\/value>$/);
      assert.equal(decodeValue(xml), number + 0);
    }),
    { numRuns: 2_000 },
  );
});

// The peers' own limits stand beside their tests; these are XML's and the encoder's.
const character = fc.oneof(
  fc.constantFrom(...'<>&"\'\t\n\r ]\u0085\u2028é😀'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((unit) => isXml(unit)),
);
const texts = fc.string({ unit: character });
const doubles = fc.double({ noNaN: true, noDefaultInfinity: true });
const dates = fc.date({
  min: new Date('1970-01-02T00:00:00Z'),
  max: new Date('2037-12-30T00:00:00Z'),
  noInvalidDate: true,
});
const bytes = fc.uint8Array().map((array) => Buffer.from(array));

function valuesOf(...leaves: fc.Arbitrary<unknown>[]): fc.Arbitrary<Value> {
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(...leaves),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(texts, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  return tree.map(bare);
}

/** Of all that an answer can have, with dates of whole seconds. */
const answers = valuesOf(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  doubles.map((number) => number + 0),
  texts,
  dates.map(wholeSeconds),
  bytes,
);

test('npm xmlrpc reads our answers as what they were', (t) => {
  setZone(t, steadyZone);
  fc.assert(
    fc.property(answers, (value) => {
      // It reads a member named __proto__ as the prototype.
      fc.pre(!JSON.stringify(value).includes('"__proto__"'));
      assert.deepEqual(bare(deserializeMethodResponse(encodeAnswer(value))), value);
    }),
    { numRuns: 500 },
  );
});

test('so does our client, members with the names of properties too', (t) => {
  setZone(t, steadyZone);
  const odd = bare(JSON.parse('{ "__proto__": 1, "constructor": [], "toString": { "a": "b" } }'));
  fc.assert(
    fc.property(answers, (value) => {
      assert.deepEqual(decodeAnswer(Buffer.from(encodeAnswer(value))), value);
    }),
    { numRuns: 500, examples: [[odd]] },
  );
});

test('what npm xmlrpc writes is read as what it was', (t) => {
  setZone(t, steadyZone);
  const value = valuesOf(
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }).map((number) => number + 0),
    // It writes large doubles as integers, the largest with an exponent.
    doubles.filter((number) => Math.abs(number) < 1e15).map((number) => number + 0),
    texts.filter(survivesNpm),
    dates.map(wholeSeconds),
    bytes,
  );
  fc.assert(
    fc.property(fc.array(value, { maxLength: 3 }), (params) => {
      const body = Buffer.from(serializeMethodCall('notify', params));
      assert.deepEqual(decodeCall(body), { method: 'notify', params });
    }),
    { numRuns: 500 },
  );
});

const python = spawnSync('python3', ['-c', 'import xmlrpc.client']).status === 0;
const skip = !python && 'python3 is missing';
const jsonValues = valuesOf(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  doubles.filter((number) => !Number.isInteger(number)),
  texts,
);

test('Python reads our answers as what they were', { skip }, () => {
  const values = fc.sample(jsonValues, 300);
  const read = `[xmlrpc.client.loads(text)[0][0] for text in given]`;
  const answers = values.map((value) => encodeAnswer(value));
  assert.deepEqual(runPython(read, answers).map(bare), values);
});

test('what Python writes is read as what it was', { skip }, () => {
  // It writes CR as it is, and XML reads that as LF.
  const values = fc.sample(jsonValues, 300).filter((value) => !/\\r/.test(JSON.stringify(value)));
  const write = `[xmlrpc.client.dumps((value,), 'notify', allow_none=True) for value in given]`;
  const calls = runPython(write, values);
  assert.equal(calls.length, values.length);
  for (const [index, call] of calls.entries()) {
    const { method, params } = decodeCall(Buffer.from(String(call)));
    assert.deepEqual({ method, params }, { method: 'notify', params: [values[index]] });
  }
});

test('Python reads our faults, dates and bytes, and we read its own', { skip }, () => {
  const answers = [
    encodeAnswer([new Date('2011-03-13T07:06:40Z'), Buffer.from([0, 255])], { time: 'utc' }),
    encodeFault(new Fault(404, 'unknown <app>')),
  ];
  const read = `[str(xmlrpc.client.loads(given[0], use_builtin_types=True)[0][0]), fault(given[1]),
    xmlrpc.client.dumps((datetime.datetime(2011, 3, 13, 7, 6, 40), b'x' * 100), 'm')]`;
  const [values, fault, call] = runPython(read, answers);
  assert.equal(values, "[datetime.datetime(2011, 3, 13, 7, 6, 40), b'\\x00\\xff']");
  assert.deepEqual(fault, [404, 'unknown <app>']);
  assert.deepEqual(decodeCall(Buffer.from(String(call))).params, [
    new Date('2011-03-13T07:06:40'),
    Buffer.from('x'.repeat(100)),
  ]);
});

/** The list that a Python expression makes of the list `given`. */
function runPython(expression: string, given: unknown[]): unknown[] {
  const script = `
import datetime, json, sys, xmlrpc.client
def fault(text):
    try:
        xmlrpc.client.loads(text)
    except xmlrpc.client.Fault as fault:
        return [fault.faultCode, fault.faultString]
given = json.loads(sys.stdin.buffer.read())
print(json.dumps(${expression}))
`;
  const options = { input: JSON.stringify(given), encoding: 'utf8', maxBuffer: 1e9 } as const;
  const { status, stdout, stderr } = spawnSync('python3', ['-c', script], options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

/**
 * It writes a string with <, & or ]]> as CDATA, where a CR reads as LF, and takes care of the first ]]> only.
 */
function survivesNpm(text: string): boolean {
  return !/[<&]|]]>/.test(text) || (!text.includes('\r') && text.split(']]>').length <= 2);
}

function isXml(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return code === 9 || code === 10 || code === 13;
  return !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
}

/** Room for so many bytes. */
function roomFor(most: number) {
  const room = {
    taken: 0,
    peak: 0,
    take(bytes: number) {
      if (room.taken + bytes > most) throw new RangeError('no room');
      room.taken += bytes;
      room.peak = Math.max(room.peak, room.taken);
    },
    giveBack(bytes: number) {
      room.taken -= bytes;
    },
  };
  return room;
}

const long: Value = {
  list: Array.from({ length: 5000 }, (_, each) => ({ token: `é${each}`, dead: [each, null] })),
  text: 'x'.repeat(200_000),
  ['name'.repeat(50_000)]: true,
};

test('a long answer comes in pieces that are counted as they are made, and is the same', () => {
  const room = roomFor(Number.POSITIVE_INFINITY);
  const writer = new XmlWriter('local', room);
  let stops = 0;
  for (const _ of writeAnswer(writer, long)) {
    stops += 1;
    assert.ok(room.taken >= stops * XmlWriter.pieceLength);
  }
  const { pieces, bytes } = writer.end();
  const whole = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  assert.equal(whole.toString(), encodeAnswer(long));
  assert.deepEqual([bytes, room.taken], [whole.length, whole.length]);
  assert.ok(stops > 10 && pieces.every((piece) => piece.length < 4 * XmlWriter.pieceLength));
});

test('an answer that finds no room stops there, and leaves nothing behind', () => {
  const room = roomFor(300_000);
  const writer = new XmlWriter('local', room);
  assert.throws(() => [...writer.value(long)], RangeError);
  assert.ok(room.peak > 100_000);
  writer.drop();
  assert.equal(room.taken, 0);
});

test('parts that are written already are counted once, and what was reserved for them comes back', () => {
  const room = roomFor(Number.POSITIVE_INFINITY);
  const written = (value: Writable, reserved: number) => {
    room.take(reserved);
    const writer = new XmlWriter('local', room, reserved);
    for (const _ of writer.value(value));
    return writer.end();
  };
  const parts = [written('short', 500), written(long, 500), written([1], 0), written(long, 0)];
  const sum = parts.reduce((bytes, part) => bytes + part.bytes, 0);
  assert.equal(room.taken, sum);
  const writer = new XmlWriter('local', room);
  for (const _ of writer.value(parts));
  const { pieces, bytes } = writer.end();
  const xml = pieces.map(String).join('');
  assert.equal(xml, valueIn(encodeAnswer(['short', long, [1], long])));
  assert.deepEqual([room.taken, bytes], [Buffer.byteLength(xml), Buffer.byteLength(xml)]);
});

test('a list whose items are made on the way has room for all of them at the second, or for none', () => {
  let made = 0;
  function* items(): Generator<Value> {
    for (; made < 10_000; made += 1) yield { token: `${made}`.padStart(64, '0') };
  }
  const list = new Listing(items(), 10_000);
  const small = roomFor(1_000_000);
  const writer = new XmlWriter('local', small);
  assert.throws(() => [...writer.value({ list })], RangeError);
  assert.equal(made, 0);
  writer.drop();
  assert.equal(small.taken, 0);

  const room = roomFor(2_000_000);
  const again = new XmlWriter('local', room, 100);
  for (const _ of again.value(['before', { list: new Listing(items(), 11_000) }, 'after']));
  assert.ok(room.taken > 1_000_000);
  const { pieces, bytes } = again.end();
  assert.equal(room.taken, bytes - 100);
  const values = Array.from({ length: 10_000 }, (_, each) => ({
    token: `${each}`.padStart(64, '0'),
  }));
  const expected = valueIn(encodeAnswer(['before', { list: values }, 'after']));
  assert.ok(pieces.map(String).join('') === expected);
});
