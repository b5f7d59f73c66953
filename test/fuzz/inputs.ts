/** The fuzzer's inputs: each is known by the seed and its number, and comes again from them. */
import fc from 'fast-check';
import { headerOf, withBody } from '../support/recordings.js';
import { mutated } from './mutation.js';
import { oneOf, type Random, randomFrom } from './random.js';
import { seeds } from './seeds.js';

export interface Input {
  /** `body`: a request that is whole as far as HTTP goes; `raw`: anything. */
  kind: 'body' | 'raw';
  bytes: Buffer;
}

export function inputOf(seed: number, number: number): Input {
  const random = randomFrom(`${seed} ${number}`);
  const { head, body } = oneOf(random, seeds);
  const other = oneOf(random, seeds).body;
  const kind = random(20);
  if (kind < 2) {
    const whole = withBody({ head, body }, body);
    return { kind: 'raw', bytes: mutated(whole, other, random) };
  }
  if (kind < 5) return { kind: 'body', bytes: framed(random, invented(random)) };
  const type = headerOf({ head, body }, 'content-type');
  return { kind: 'body', bytes: framed(random, mutated(body, other, random), type) };
}

const types = ['', 'text/xml', 'text/xml; charset=utf-8', 'application/xml; charset=iso-8859-1'];

function framed(random: Random, body: Buffer, type = oneOf(random, types)): Buffer {
  const head = `POST / HTTP/1.1\r\nHost: a\r\n${type && `Content-Type: ${type}\r\n`}`;
  return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]);
}

/** Well-formed calls of any method with any parameters. */
function invented(random: Random): Buffer {
  const [call = ''] = fc.sample(calls, { seed: random(2 ** 31), numRuns: 1 });
  return Buffer.from(call);
}

const escaped = (text: string) => text.replace(/[<>&\r]/g, (found) => `&#${found.charCodeAt(0)};`);
const text = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('app1', 'ab'.repeat(32), 'sandbox', 'notify', '', ' '),
    fc.json(),
  )
  .map(escaped);
const typed = (tag: string, value: fc.Arbitrary<unknown>) =>
  value.map((value) => `<${tag}>${value}</${tag}>`);
const tag = fc.constantFrom('int', 'i4', 'i8', 'boolean', 'double', 'base64', 'nil', 'ex:i8');

const { value } = fc.letrec<{ value: string }>((tie) => {
  const inner = tie('value').map((value) => `<value>${value}</value>`);
  const name = fc
    .oneof(fc.constantFrom('aps', 'alert', 'badge', '__proto__', 'methodName', 'params'), text)
    .map((name) => `<name>${name}</name>`);
  const many = fc.array(inner, { maxLength: 5 });
  const members = fc.array(fc.tuple(name, inner), { maxLength: 5 });
  return {
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      typed('string', text),
      typed('int', fc.integer()),
      typed('i8', fc.bigInt()),
      typed('double', fc.double({ noNaN: true })),
      typed('boolean', fc.constantFrom(0, 1)),
      typed(
        'dateTime.iso8601',
        fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      ),
      typed(
        'base64',
        fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('base64')),
      ),
      fc.tuple(tag, text).map(([tag, text]) => `<${tag}>${text}</${tag}>`),
      fc.constant('<nil/>'),
      many.map((values) => `<array><data>${values.join('')}</data></array>`),
      members.map((members) => {
        const all = members.map((member) => `<member>${member.join('')}</member>`);
        return `<struct>${all.join('')}</struct>`;
      }),
    ),
  };
});

const method = fc.oneof(
  fc.constantFrom('notify', 'provision', 'feedback', 'apnsd.send', 'apnsd.provision'),
  fc.constantFrom('apnsd.feedback', 'apnsd.status', 'system.multicall', 'system.methodHelp'),
  text,
);
const calls = fc.tuple(method, fc.array(value, { maxLength: 4 })).map(([method, params]) => {
  const all = params.map((param) => `<param><value>${param}</value></param>`).join('');
  return `<methodCall><methodName>${method}</methodName><params>${all}</params></methodCall>`;
});
