import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NOT_A_CALL, NOT_XML } from '../../src/rpc/faults.js';
import { decodeCall, defaultLimits, type Value } from '../../src/rpc/xml.js';
import { bare, callOf, decodeRecording, decodeValue, faultOf } from './calls.js';
import { setZone } from './zone.js';

const tokens = ['2', '3', '4'].map((digit) => digit.padStart(64, '0'));
const text = `café € 😀 日本 "quoted" 'single' <b>&amp;</b> back\\slash\nline2\ttab`;
const types = {
  aps: {
    alert: { 'loc-key': 'K', 'loc-args': ['a', 'é'] },
    badge: 7,
    'content-available': true,
  },
  f: 3.25,
  neg: -1,
  empty: '',
  arr: [],
  obj: {},
  no: false,
};
const lists = [
  'app1',
  tokens,
  [
    { aps: { alert: 'a' } },
    { aps: { alert: 'b' } },
    { aps: { alert: 'c', badge: 0 }, acme: [1, 2.5, true, 'x'] },
  ],
];

const recordings: [name: string, method: string, params: unknown[]][] = [
  [
    'c/notify_nil',
    'notify',
    ['app1', '6'.padStart(64, '0'), { aps: { alert: 'nil test' }, n: null, big: 5_000_000_000 }],
  ],
  ['c/notify_lists', 'notify', lists],
  ['php/notify_lists', 'notify', lists],
  [
    'php/notify_nil',
    'notify',
    ['app1', '6'.padStart(64, '0'), { aps: { alert: 'nil' }, n: '', emptyarr: [] }],
  ],
  ['php/notify_unicode', 'notify', ['app1', '5'.padStart(64, '0'), { aps: { alert: text } }]],
  [
    // PHP counts bytes here, and says so: its own reading would be the same.
    'php/notify_unicode_default_options',
    'notify',
    ['app1', '5'.padStart(64, '0'), { aps: { alert: Buffer.from(text).toString('latin1') } }],
  ],
  // Perl takes a token that has digits only for an integer.
  [
    'perl-rpcxml/notify_single',
    'notify',
    ['app1', '1'.padStart(64, '0'), { aps: { sound: 'default', alert: 'hello', badge: 1 } }],
  ],
  [
    'perl-rpcxml/notify_unicode',
    'notify',
    ['app1', '5'.padStart(64, '0'), { aps: { alert: text } }],
  ],
  ['python3/notify_types', 'notify', ['app1', '6'.padStart(64, '0'), { ...types, nil: null }]],
  ['python3/int_app_id', 'notify', [12345, '1'.padStart(64, '0'), { aps: { alert: 'x' } }]],
  [
    'python3/provision_bad_pem',
    'provision',
    ['appbadpem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'sandbox', 15],
  ],
  ['ruby/notify_types', 'notify', ['app1', ['6'.padStart(64, '0')], [types]]],
  ['ruby/notify_unicode', 'notify', ['app1', ['5'.padStart(64, '0')], [{ aps: { alert: text } }]]],
  [
    'ruby/notify_single',
    'notify',
    ['app1', '1'.padStart(64, '0'), [{ aps: { alert: 'hello', badge: 1, sound: 'default' } }]],
  ],
];

for (const [name, method, params] of recordings) {
  test(`the recording ${name} reads as its client meant it`, () => {
    assert.deepEqual(decodeRecording(name), { method, params: bare(params) });
  });
}

const values: [value: string, expected: Value][] = [
  ['<value> two  spaces </value>', ' two  spaces '],
  ['<value>  </value>', '  '],
  ['<value/>', ''],
  ['<value></value>', ''],
  ['<value><string/></value>', ''],
  ['<value><string> a </string></value>', ' a '],
  ['<value>\n  <string>a</string>\n</value>', 'a'],
  ['<value a="1>2" xmlns:ex=\'urn:x\'><string b = "&lt;">a</string ></value >', 'a'],
  ['<value><![CDATA[<b> & ]] >]]></value>', '<b> & ]] >'],
  ['<value>a<![CDATA[b]]]]><![CDATA[>c]]>d</value>', 'ab]]>cd'],
  ['<value>a<!-- - > -->b<?pi x?>c</value>', 'abc'],
  ['<value><!-- a --> <?pi?><int>1</int><!-- b --></value>', 1],
  ['<value>&lt;&gt;&amp;&quot;&apos;&amp;lt;</value>', '<>&"\'&lt;'],
  ['<value>&#65;&#x42;&#x1F600;&#128512;&#x0000000043;</value>', 'AB😀😀C'],
  ['<value>a\r\nb\rc\n\rd&#13;e&#xD;\n</value>', 'a\nb\nc\n\nd\re\r\n'],
  ['<value><nil/></value>', null],
  ['<value><nil></nil></value>', null],
  ['<value><ex:nil xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"/></value>', null],
  ['<value><boolean>1</boolean></value>', true],
  ['<value><boolean>0</boolean></value>', false],
  ...['int', 'i1', 'i2', 'i4', 'i8', 'ex:i1', 'ex:i2', 'ex:i4', 'ex:i8'].map(
    (type): [string, Value] => [`<value><${type}>-12</${type}></value>`, -12],
  ),
  ['<value><int>+5</int></value>', 5],
  ['<value><int>-0</int></value>', 0],
  ['<value><int>007</int></value>', 7],
  ['<value><int> 7\n</int></value>', 7],
  ['<value><i8>999999999999999</i8></value>', 999_999_999_999_999],
  ['<value><i8>-999999999999999</i8></value>', -999_999_999_999_999],
  ['<value><i8>1000000000000000</i8></value>', 1_000_000_000_000_000],
  ['<value><i8>9007199254740991</i8></value>', 9_007_199_254_740_991],
  ['<value><i8>9007199254740992</i8></value>', '9007199254740992'],
  ['<value><i8>0000000000000012</i8></value>', '0000000000000012'],
  ['<value><i8>-9223372036854775808</i8></value>', '-9223372036854775808'],
  [`<value><int>${'7'.padStart(64, '0')}</int></value>`, '7'.padStart(64, '0')],
  ['<value><double>-1.5</double></value>', -1.5],
  ['<value><double>2.500000</double></value>', 2.5],
  ['<value><double>.5</double></value>', 0.5],
  ['<value><double>5.</double></value>', 5],
  ['<value><double>+7</double></value>', 7],
  ['<value><double>-0.0</double></value>', -0],
  ['<value><double>1e-07</double></value>', 1e-7],
  ['<value><ex:float>1.5E+2</ex:float></value>', 150],
  ['<value><base64>AAH/</base64></value>', Buffer.from([0, 1, 255])],
  ['<value><base64>\r\n AA\r\n H/ \n</base64></value>', Buffer.from([0, 1, 255])],
  ['<value><base64>AA=\n=</base64></value>', Buffer.from([0])],
  ['<value><base64/></value>', Buffer.from([])],
  ['<value><array><data/></array></value>', []],
  ['<value><array><data></data></array></value>', []],
  ['<value> <array> <data> <value>1</value> <value/> </data> </array> </value>', ['1', '']],
  ['<value><struct/></value>', bare({})],
  [
    '<value><struct> <member> <name> a </name> <value/> </member> </struct></value>',
    bare({ ' a ': '' }),
  ],
  [
    '<value><struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct></value>',
    bare({ a: '2' }),
  ],
  ['<value><struct><member><name/><value>1</value></member></struct></value>', bare({ '': '1' })],
];

for (const [value, expected] of values) {
  test(`${value} is read`, () => assert.deepEqual(decodeValue(value), expected));
}

test('members named __proto__ and constructor are like any other', () => {
  const members = ['__proto__', 'constructor', 'toString'].map(
    (name) => `<member><name>${name}</name><value><struct/></value></member>`,
  );
  const struct = decodeValue(`<value><struct>${members.join('')}</struct></value>`) as object;
  assert.equal(Object.getPrototypeOf(struct), null);
  assert.deepEqual(Object.keys(struct), ['__proto__', 'constructor', 'toString']);
});

test('dates are read with and without dashes, zone and fractions', (t) => {
  setZone(t, 'America/New_York');
  const dates: [text: string, expected: string][] = [
    ['20110313T07:06:40', '2011-03-13T11:06:40.000Z'],
    ['20110312T07:06:40', '2011-03-12T12:06:40.000Z'],
    ['2011-03-12T07:06:40', '2011-03-12T12:06:40.000Z'],
    ['20110312T070640', '2011-03-12T12:06:40.000Z'],
    ['20110312T07:06:40Z', '2011-03-12T07:06:40.000Z'],
    ['2011-03-12T07:06:40.5Z', '2011-03-12T07:06:40.500Z'],
    ['20110312T07:06:40,123987Z', '2011-03-12T07:06:40.123Z'],
    ['20110312T07:06:40+0530', '2011-03-12T01:36:40.000Z'],
    ['20110312T07:06:40-05:30', '2011-03-12T12:36:40.000Z'],
    ['20110312T07:06:40+02', '2011-03-12T05:06:40.000Z'],
    ['20240229T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['00500101T00:00:00Z', '0050-01-01T00:00:00.000Z'],
  ];
  for (const [text, expected] of dates) {
    const value = decodeValue(`<value><dateTime.iso8601>${text}</dateTime.iso8601></value>`);
    assert.ok(value instanceof Date);
    assert.equal(value.toISOString(), expected, text);
  }
});

const wrongValues: [type: string, text: string, expected: string][] = [
  ['int', '12abc', 'expected an integer'],
  ['int', '', 'expected an integer'],
  ['int', '1.0', 'expected an integer'],
  ['int', '1e3', 'expected an integer'],
  ['int', '--1', 'expected an integer'],
  ['int', '1 2', 'expected an integer'],
  ['i8', '0x10', 'expected an integer'],
  ['int', '١', 'expected an integer'],
  ['int', '\u007f\u202e', 'expected an integer'],
  ['int', 'ab'.repeat(32), 'expected an integer'],
  ['boolean', '2', 'expected 0 or 1'],
  ['boolean', 'true', 'expected 0 or 1'],
  ['boolean', '', 'expected 0 or 1'],
  ['double', 'NaN', 'expected a finite number'],
  ['double', 'Infinity', 'expected a finite number'],
  ['double', '-inf', 'expected a finite number'],
  ['double', '1e999', 'expected a finite number'],
  ['double', '.', 'expected a finite number'],
  ['double', '1,5', 'expected a finite number'],
  ['nil', 'x', 'expected nothing'],
  ...['A', 'AAA', 'AAAA=', 'AA=A', 'A===', '====', 'AA-_', 'AAAAA'].map(
    (text): [string, string, string] => ['base64', text, 'expected base64 with its padding'],
  ),
  ...[
    '',
    '20110313',
    '20111313T00:00:00',
    '20110013T00:00:00',
    '20110230T00:00:00',
    '20110100T00:00:00',
    '20110313T24:00:00',
    '20110313T00:60:00',
    '20110313T00:00:61',
    '20110313T00:00:00+25:00',
    '20110313T00:00:00+01:',
    '20110313 00:00:00',
    '2011031T00:00:00',
    '20110313T00:00:00.',
    'Sun, 13 Mar 2011 00:00:00 GMT',
  ].map((text): [string, string, string] => [
    'dateTime.iso8601',
    text,
    'expected a date such as 20240229T23:59:59',
  ]),
];

for (const [type, text, expected] of wrongValues) {
  test(`${JSON.stringify(text)} is no ${type}, and is not shown`, () => {
    const fault = faultOf(() => decodeValue(`<value><${type}>${text}</${type}></value>`));
    assert.equal(fault.faultCode, NOT_A_CALL);
    const found = text === '' ? 'is empty' : `can't be read (${text.length} characters)`;
    const message = fault.message.replace(/ \(line \d+, column \d+\)$/, '');
    assert.equal(message, `<${type}> ${found}, ${expected}`);
  });
}

test('a call may come without params, with empty ones, and with white space between all tags', () => {
  const head = '<methodCall><methodName> a.b </methodName>';
  const expected = { method: 'a.b', params: [] };
  for (const rest of ['', '<params/>', '<params></params>', ' <params x="y" > </params> ']) {
    assert.deepEqual(decodeCall(Buffer.from(`${head}${rest}</methodCall>`)), expected);
  }
});

test('comments, processing instructions and a declaration may stand round the call', () => {
  const call = callOf('<value>a</value>');
  for (const text of [
    `<?xml version="1.0"?>${call}`,
    `<?xml version='1.0' encoding='utf-8' standalone="yes" ?>\r\n<!-- a --><?b?>\n${call}\n<!-- c -->\n`,
    `\n${call}\n`,
  ]) {
    assert.deepEqual(decodeCall(Buffer.from(text)).params, ['a'], text);
  }
});

const wrongCalls: [text: string, message: RegExp][] = [
  ['<methodResponse/>', /^found the tag "methodResponse", expected <methodCall>/],
  ['<html><body></body></html>', /^found the tag "html", expected <methodCall>/],
  ['<MethodCall/>', /^found the tag "MethodCall", expected <methodCall>/],
  ['<methodCall/>', /^<methodCall> ends, expected <methodName> in it/],
  ['<methodCall><params/></methodCall>', /^found the tag "params", expected <methodName>/],
  ['<methodCall><methodName/></methodCall>', /^<methodName> is empty, expected a name/],
  ['<methodCall>m</methodCall>', /^found text in <methodCall>, expected only tags/],
  [
    '<methodCall><methodName>m</methodName><params/><params/></methodCall>',
    /^found the tag "params", expected <\/methodCall>/,
  ],
  [
    '<methodCall><methodName><b>m</b></methodName></methodCall>',
    /^found the tag "b", expected <\/methodName>/,
  ],
  [callOf(''), /^<param> ends, expected <value> in it/],
  [callOf('<value/><value/>'), /^found the tag "value", expected <\/param>/],
  [callOf('<int>1</int>'), /^found the tag "int", expected <value>/],
  [callOf('<value><float>1</float></value>'), /^found the tag "float", expected one of XML-RPC's/],
  [callOf('<value><INT>1</INT></value>'), /^found the tag "INT", expected one of XML-RPC's types/],
  [callOf('<value>a<int>1</int></value>'), /^found text before the tag "int", expected none/],
  [callOf('<value><int>1</int>a</value>'), /^found text in <value>, expected only tags/],
  [callOf('<value><int>1</int><![CDATA[ ]]></value>'), /^found text in <value>, expected only/],
  [callOf('<value><int>1</int><int>1</int></value>'), /^found the tag "int", expected <\/value>/],
  [callOf('<value><int>1<b/></int></value>'), /^found the tag "b", expected <\/int>/],
  [callOf('<value><array/></value>'), /^<array> ends, expected <data> in it/],
  [callOf('<value><array><value/></array></value>'), /^found the tag "value", expected <data>/],
  [callOf('<value><array><data>a</data></array></value>'), /^found text in <data>, expected only/],
  [callOf('<value><struct><member/></struct></value>'), /^<member> ends, expected <name> in it/],
  [
    callOf('<value><struct><member><name>a</name></member></struct></value>'),
    /^<member> ends, expected <value> in it/,
  ],
  [
    callOf('<value><struct><member><value/><name>a</name></member></struct></value>'),
    /^found the tag "value", expected <name>/,
  ],
];

for (const [text, message] of wrongCalls) {
  test(`${text} is no call`, () => {
    const fault = faultOf(() => decodeCall(Buffer.from(text)));
    assert.equal(fault.faultCode, NOT_A_CALL);
    assert.match(fault.message, message);
  });
}

const arrays = (depth: number) =>
  `${'<value><array><data>'.repeat(depth)}${'</data></array></value>'.repeat(depth)}`;
const member = (name: string) =>
  `<value><struct><member><name>${name}</name><value/></member></struct></value>`;

const bounded: [limit: string, fits: string, tooMuch: string, message: RegExp][] = [
  ['depth', arrays(64), arrays(65), /^found 65 levels of arrays and structs, expected at most 64 /],
  [
    'nameLength',
    member('n'.repeat(5_120)),
    member('n'.repeat(5_121)),
    /^found 5121 characters in a name, expected at most 5120 /,
  ],
  [
    'textLength',
    `<value>${'x'.repeat(defaultLimits.textLength)}</value>`,
    `<value><string>${'x'.repeat(defaultLimits.textLength + 1)}</string></value>`,
    /^found 16777217 characters in a value, expected at most 16777216 /,
  ],
  [
    'values',
    `<value><array><data>${'<value/>'.repeat(199_999)}</data></array></value>`,
    `<value><array><data>${'<value/>'.repeat(200_000)}</data></array></value>`,
    /^found 200001 values, expected at most 200000 /,
  ],
];

for (const [limit, fits, tooMuch, message] of bounded) {
  test(`what is beyond the limit ${limit} is refused, what just fits is read`, () => {
    decodeCall(Buffer.from(callOf(fits)));
    const fault = faultOf(() => decodeCall(Buffer.from(callOf(tooMuch))));
    assert.equal(fault.faultCode, NOT_A_CALL);
    assert.match(fault.message, message);
  });
}

test('limits can be set one by one', () => {
  const body = Buffer.from(callOf(arrays(3)));
  assert.equal(decodeCall(body, undefined, { depth: 3 }).params.length, 1);
  const fault = faultOf(() => decodeCall(body, undefined, { depth: 2 }));
  assert.match(fault.message, /^found 3 levels of arrays and structs, expected at most 2 /);
});

test('hostile bodies cost time in proportion to their length', () => {
  // The largest take a tenth of a second; what grows with the square of the length would take hours.
  const many = 1_000_000;
  const bodies = [
    callOf('<value><array><data>'.repeat(many)),
    callOf('<value><struct><member><name>a</name>'.repeat(many)),
    callOf(`<value>${'<![CDATA[x]]>'.repeat(many)}</value>`),
    callOf(`<value>${'<!---->'.repeat(many)}</value>`),
    callOf(`<value>${'<!--'.repeat(many)}`),
    callOf(`<value>${'&'.repeat(many)};</value>`),
    callOf(`<value>${'&amp;'.repeat(many)}</value>`),
    callOf(`<value ${' a="'.repeat(many)}`),
    callOf(`<value${' '.repeat(many)}x>`),
    callOf(`<value><int>1${' '.repeat(many)}1</int></value>`),
    callOf(`<value><double>${'1'.repeat(many)}x</double></value>`),
    callOf(`<value><base64>${'A '.repeat(many)}!</base64></value>`),
    '<'.repeat(many),
    '\r'.repeat(many),
    `<?xml version="1.0"${' '.repeat(many)}`,
    callOf(`<value><struct>${'<member><name>__proto__</name><value/></member>'.repeat(100_000)}`),
  ];
  const start = performance.now();
  for (const body of bodies) {
    try {
      decodeCall(Buffer.from(body));
    } catch (error) {
      assert.match(String(error), /^Fault: /);
    }
  }
  const elapsedMs = performance.now() - start;
  assert.ok(elapsedMs < 60_000, `${elapsedMs} ms`);
});

const everything = `<?xml version="1.0" encoding="UTF-8"?><!-- c --><methodCall><methodName>m</methodName><params><param>
<value a="b"><struct><member><name>é</name><value>&lt;<![CDATA[x]]></value></member></struct></value></param><param><value><array>
<data><value><int>1</int></value><value><nil/></value><value><dateTime.iso8601>20110313T07:06:40</dateTime.iso8601></value>
<value><base64>AAAA</base64></value></data></array></value></param></params></methodCall>`;

test('a call that is cut off anywhere is not XML', () => {
  const body = Buffer.from(everything);
  decodeCall(body);
  for (let length = 0; length < body.length; length += 1) {
    const fault = faultOf(() => decodeCall(body.subarray(0, length)));
    assert.equal(fault.faultCode, NOT_XML, `${length}: ${fault.message}`);
  }
});

test('whatever bytes come, there is a call or a fault that says little of them', () => {
  const piece = fc.constantFrom(...everything.split(/(?<=>)|(?=<)/), '<', '>', '&', ']]>', '<!--');
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.array(piece).map((pieces) => Buffer.from(pieces.join(''))),
    fc
      .tuple(fc.nat(everything.length), fc.nat(20), fc.oneof(fc.string(), piece))
      .map(([at, gone, put]) =>
        Buffer.from(everything.slice(0, at) + put + everything.slice(at + gone)),
      ),
  );
  const contentType = fc.constantFrom(undefined, 'text/xml; charset=iso-8859-1', 'text/xml');
  fc.assert(
    fc.property(bytes, contentType, (body, type) => {
      try {
        decodeCall(Buffer.from(body), type);
      } catch (error) {
        const fault = faultOf(() => {
          throw error;
        });
        assert.ok([NOT_XML, NOT_A_CALL].includes(fault.faultCode));
        assert.match(fault.message, /^[^\p{C}]{1,200}[^.]$/u);
      }
    }),
    { numRuns: 5_000 },
  );
});
