import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeForXml, PlainJson, toJsonText } from '../../src/rpc/json.js';
import { decodeCall } from '../../src/rpc/xml.js';
import { serializeMethodCall } from './npm-xmlrpc.js';

test('what XML or npm xmlrpc can not carry is escaped, the rest is left as it is', () => {
  assert.equal(
    toJsonText({ a: '\ufffe\uffff\ud800\0', '\ufffe': 'é👋<&>' }),
    '{"a":"\\ufffe\\uffff\\ud800\\u0000","\\ufffe":"é👋<&>"}',
  );
  assert.equal(toJsonText([[[']]>]]>']]]), '[[["]]\\u003e]]\\u003e"]]]');
  assert.equal(escapeForXml('["\\ufffe","\ufffe"]'), '["\\ufffe","\\ufffe"]');
});

test('plain JSON text has nothing that XML escapes, and says the same', () => {
  const json = JSON.stringify({ '&lt;': ['<a>]]>&amp;</a>', '\ufffe\uffff', 'é👋'] });
  const { text } = new PlainJson(json);
  assert.doesNotMatch(text, /[&<\ufffe\uffff]|]]>/);
  assert.deepEqual(JSON.parse(text), JSON.parse(json));
});

test('whatever JSON can carry survives the way through npm xmlrpc to the daemon', () => {
  const strings = fc.string({
    unit: fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom('\ufffe', '\uffff', '\ud800', '\udc00', '\r', '\n', '<', '&', ']]>', '\0'),
    ),
  });
  const values = fc.oneof(strings, fc.array(strings), fc.dictionary(strings, strings));
  fc.assert(
    fc.property(values, (value) => {
      const xml = serializeMethodCall('apnsd.send', [toJsonText(value)]);
      const [text] = decodeCall(Buffer.from(xml)).params;
      assert.deepEqual(JSON.parse(String(text)), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 300 },
  );
});
