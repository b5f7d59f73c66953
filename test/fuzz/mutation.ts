/** Spoils bytes in the ways in which senders, networks and attackers do. */
import { oneOf, type Random } from './random.js';

/** What has broken readers of XML, JSON, numbers and tokens before. */
const pieces = [
  ...[
    '<',
    '>',
    '&',
    '/',
    '"',
    "'",
    ';',
    '=',
    '\0',
    '\r',
    '\n',
    '\r\n\r\n',
    ' ',
    '\u00a0',
    '\ufeff',
  ],
  ...['<![CDATA[', ']]>', '<!--', '-->', '<?xml version="1.0"?>', '<?x?>', '<!DOCTYPE a>', '<a/>'],
  ...[
    '&amp;',
    '&#0;',
    '&#x1F600;',
    '&#xD800;',
    '&#xFFFFFFFFF;',
    '&nbsp;',
    '&#',
    '&lt;methodCall&gt;',
  ],
  ...[
    '<value>',
    '</value>',
    '<value/>',
    '<array><data>',
    '</data></array>',
    '<struct>',
    '</struct>',
  ],
  ...[
    '<nil/>',
    '<ex:nil/>',
    '<int>',
    '</int>',
    '<double>',
    '<base64>',
    '<dateTime.iso8601>',
    '<i8>',
  ],
  ...['NaN', 'Infinity', '-0', '1e999', '9007199254740993', '-9223372036854775808', '0x10', '1e21'],
  ...['__proto__', 'constructor', 'toString', 'toJSON', 'then', 'length', 'hasOwnProperty'],
  ...['app1', 'notify', 'apnsd.send', 'system.multicall', 'provision', 'feedback', 'sandbox'],
  ...['20110230T00:00:00', '99991231T23:59:59', '00000000T00:00:00', 'AAAA', '====', 'é', '😀'],
  ...[
    '\ud800',
    '\uffff',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '{"a":',
    '\\u0000',
    '\\ud800',
    'null',
    'true',
  ],
  ...[
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Expect: 100-continue\r\n',
    'HTTP/9.9',
  ],
].map((piece) => Buffer.from(piece));

const nested = ['<value><array><data>', '<value><struct><member><name>a</name>', '[', '{"a":', '<'];
const encodings = ['latin1', 'utf16le', 'utf8'] as const;

type Mutation = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

const mutations: Mutation[] = [
  // A bit, a byte, a number.
  (bytes, random) =>
    at(bytes, random, 1, (found) => Buffer.from([(found[0] ?? 0) ^ (1 << random(8))])),
  (bytes, random) => at(bytes, random, 1, () => Buffer.from([random(256)])),
  (bytes, random) =>
    at(bytes, random, 1 + random(8), () => Buffer.from(String(random(2 ** 32) ** 3))),
  // Something gone, doubled, put in, cut off.
  (bytes, random) => at(bytes, random, 1 + random(40), () => Buffer.alloc(0)),
  (bytes, random) => at(bytes, random, 1 + random(100), (found) => Buffer.concat([found, found])),
  (bytes, random) => at(bytes, random, 0, () => oneOf(random, pieces)),
  (bytes, random) => at(bytes, random, 1 + random(20), () => oneOf(random, pieces)),
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  // A part of another one, many of the same, something deep.
  (bytes, random, other) => at(bytes, random, random(60), () => part(other, random, 200)),
  (bytes, random) =>
    at(bytes, random, random(60), (found) => Buffer.concat(Array(random(50)).fill(found))),
  (bytes, random) =>
    at(bytes, random, 0, () => Buffer.from(oneOf(random, nested).repeat(random(300)))),
  // Whole tags gone, doubled, in another's place.
  (bytes, random) => tags(bytes, random, () => ''),
  (bytes, random) => tags(bytes, random, (tag) => tag + tag),
  (bytes, random) => tags(bytes, random, (_, all) => oneOf(random, all)),
  // Another text between two tags, by which the XML stays what it was.
  ...Array<Mutation>(24).fill(texts),
  // Another encoding than the one that is declared.
  (bytes, random) => Buffer.from(bytes.toString(), oneOf(random, encodings)),
];

/** @param other to take parts from */
export function mutated(bytes: Buffer, other: Buffer, random: Random): Buffer {
  let result = bytes;
  // One at least; half as often each more.
  for (let more = true; more; more = random(2) === 0) {
    result = oneOf(random, mutations)(result, random, other);
  }
  return result;
}

/** Puts something in the place of `length` bytes. */
function at(bytes: Buffer, random: Random, length: number, put: (found: Buffer) => Buffer): Buffer {
  const start = random(bytes.length + 1);
  const found = bytes.subarray(start, start + length);
  return Buffer.concat([bytes.subarray(0, start), put(found), bytes.subarray(start + length)]);
}

function part(bytes: Buffer, random: Random, most: number): Buffer {
  const start = random(bytes.length);
  return bytes.subarray(start, start + random(most));
}

function texts(bytes: Buffer, random: Random): Buffer {
  const parts = bytes.toString('latin1').split(/(>[^<>]+<)/);
  const chosen = random(parts.length >> 1) * 2 + 1;
  if (chosen >= parts.length) return bytes;
  const text = random(4) === 0 ? `${random(2 ** 32)}` : oneOf(random, pieces).toString('latin1');
  parts[chosen] = `>${text.replace(/[<>&]/g, (found) => `&#${found.charCodeAt(0)};`)}<`;
  return Buffer.from(parts.join(''), 'latin1');
}

function tags(
  bytes: Buffer,
  random: Random,
  put: (tag: string, all: readonly string[]) => string,
): Buffer {
  const parts = bytes.toString('latin1').split(/(<[^<>]*>)/);
  const all = parts.filter((_, position) => position % 2 === 1);
  if (all.length === 0) return bytes;
  const chosen = random(all.length) * 2 + 1;
  parts[chosen] = put(parts[chosen] ?? '', all);
  return Buffer.from(parts.join(''), 'latin1');
}
