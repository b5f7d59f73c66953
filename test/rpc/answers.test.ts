import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, NOT_A_CALL, NOT_XML } from '../../src/rpc/faults.js';
import { decodeAnswer, encodeAnswer, encodeFault } from '../../src/rpc/xml.js';
import { answerOf, headerOf, recordings } from '../support/recordings.js';
import { bare, faultOf } from './calls.js';
import { deserializeMethodResponse } from './npm-xmlrpc.js';

const read = (text: string) => decodeAnswer(Buffer.from(text));
const answerWith = (value: string) =>
  `<methodResponse><params><param>${value}</param></params></methodResponse>`;
const faultWith = (value: string) => `<methodResponse><fault>${value}</fault></methodResponse>`;

test('whatever pyapns answered is read as npm xmlrpc reads it', () => {
  const kinds = new Set<string>();
  for (const recording of recordings) {
    const answer = answerOf(recording);
    const ours = decodeAnswer(answer.body, headerOf(answer, 'content-type'));
    try {
      const theirs = deserializeMethodResponse(answer.body.toString());
      assert.deepEqual(ours, bare(theirs), recording);
      kinds.add(Array.isArray(ours) ? 'a list' : String(ours));
    } catch (error) {
      if (!(error instanceof Error && 'faultCode' in error && 'faultString' in error)) throw error;
      assert.ok(ours instanceof Fault, recording);
      assert.deepEqual([ours.faultCode, ours.message], [error.faultCode, error.faultString]);
      kinds.add(`fault ${ours.faultCode}`);
    }
  }
  for (const kind of ['null', 'a list', 'fault 404', 'fault 500', 'fault 401', 'fault 8002']) {
    assert.ok(kinds.has(kind), `${kind} is among ${[...kinds]}`);
  }
});

test('a fault is read with its number and all of its text', () => {
  const fault = read(encodeFault(new Fault(404, 'app <a> & "b"\nis unknown')));
  assert.ok(fault instanceof Fault);
  assert.deepEqual([fault.faultCode, fault.message], [404, 'app <a> & "b"\nis unknown']);
});

test('a list may be as long as the daemon makes it', () => {
  const list = Array.from({ length: 300_000 }, (_, index) => index);
  assert.deepEqual(read(encodeAnswer(list)), list);
  const text = 'x'.repeat(17 * 1024 * 1024);
  assert.equal(read(encodeAnswer(text)), text);
});

const wrong: [what: string, text: string, faultCode: number, message: RegExp][] = [
  ['nothing', '', NOT_XML, /the body ends, expected XML/],
  ['an HTML page', '<html><body>nginx</body></html>', NOT_A_CALL, /"html"/],
  [
    'half an answer',
    answerWith('<value><int>1</int></value>').slice(0, 60),
    NOT_XML,
    /the body ends/,
  ],
  ['a call', '<methodCall><methodName>m</methodName></methodCall>', NOT_A_CALL, /"methodCall"/],
  ['an empty answer', '<methodResponse/>', NOT_A_CALL, /expected <params>/],
  ['no value', '<methodResponse><params></params></methodResponse>', NOT_A_CALL, /<param>/],
  ['two values', answerWith('<value/><value/>'), NOT_A_CALL, /"value"/],
  [
    'two params',
    answerWith('<value/></param><param><value/>'),
    NOT_A_CALL,
    /"param", expected <\/params>/,
  ],
  ['a number that is none', answerWith('<value><int>x</int></value>'), NOT_A_CALL, /an integer/],
  ['something behind it', `${answerWith('<value/>')}<more/>`, NOT_XML, /something follows/],
  ['an empty fault', faultWith(''), NOT_A_CALL, /expected <value>/],
  ['a fault that is text', faultWith('<value>no</value>'), NOT_A_CALL, /no faultCode/],
  [
    'a fault without a number',
    faultWith(
      '<value><struct><member><name>faultString</name><value>no</value></member></struct></value>',
    ),
    NOT_A_CALL,
    /no faultCode/,
  ],
  ['what begins as a fault', '<methodResponse><faulty/></methodResponse>', NOT_A_CALL, /"faulty"/],
];

for (const [what, text, faultCode, message] of wrong) {
  test(`${what} is no answer, and the error says why`, () => {
    const fault = faultOf(() => read(text));
    assert.match(fault.message, message);
    assert.equal(fault.faultCode, faultCode);
  });
}
