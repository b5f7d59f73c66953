import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_A_CALL, NOT_XML } from '../../src/rpc/faults.js';
import { XmlReader } from '../../src/rpc/xml-reader.js';
import { faultOf } from './calls.js';

/** Reads `<a>` with its text and whatever children named `b` it has. */
function read(text: string): string[] {
  const reader = new XmlReader(text);
  const found: string[] = [];
  reader.enter('a');
  found.push(reader.text());
  while (reader.hasChild()) {
    reader.enter('b');
    found.push(reader.text());
    reader.leave();
  }
  reader.leave();
  reader.end();
  return found;
}

const wellFormed: [text: string, found: string[]][] = [
  ['<a/>', ['']],
  ['<a />', ['']],
  ['<a></a>', ['']],
  ['<a\n></a\t>', ['']],
  ['<a>x</a>', ['x']],
  ['<a><b>x</b> <b/> <!-- c --> <b y=""/></a>', ['', 'x', '', '']],
  ['<a x="1" y=\'2\' z = ">" xml:lang="de" é="&amp;&#10;"/>', ['']],
  ['<a><!----></a><!-- & < ]]> -->', ['']],
  ['<?xml-stylesheet a?><?é?><a/><?p > ?>', ['']],
  ['<a>]]</a>', [']]']],
  ['<a>]]&gt;</a>', [']]>']],
  [
    '<a>\u0080\u009f\ud7ff\ue000\ufffd\u{10ffff}\t</a>',
    ['\u0080\u009f\ud7ff\ue000\ufffd\u{10ffff}\t'],
  ],
  // As Java writes what is beyond 16 bits.
  ['<a>&#xD83D;&#xDE00; &#55357;&#56832;&#xd83d;&#56832;</a>', ['😀 😀😀']],
  ['<a b="&#xD83D;&#xDE00;"/>', ['']],
  ['<a>&#12354;&#12356;&#x3042;</a>', ['あいあ']],
  ['<a>&#9;&#10;&#13;&#128;&#xd7FF;&#xE000;&#x10FFFF;</a>', ['\t\n\r\u0080\ud7ff\ue000\u{10ffff}']],
  ['<?xml version="1.0"?><a/>', ['']],
  ['<?xml\nversion = \'1.1\'\tencoding = "x"  standalone = "no" ?>\n<a/>', ['']],
];

for (const [text, found] of wellFormed) {
  test(`${JSON.stringify(text)} is well-formed`, () => assert.deepEqual(read(text), found));
}

const malformed: [text: string, message: string][] = [
  ['', 'the body ends, expected XML'],
  [' \n', 'the body ends, expected XML'],
  ['{"method":"notify"}', 'found "{\\"method\\":\\"notif", expected XML'],
  ['a=1&b=2', 'found "a=1&b=2", expected XML'],
  ['\ufeff<a/>', 'found "\\u{feff}<a/>", expected XML'],
  ['</a>', 'found "</a>", expected a start tag'],
  ['<', 'found a < that starts no tag, expected &lt;'],
  ['<>', 'found a < that starts no tag, expected &lt;'],
  ['< a/>', 'found a < that starts no tag, expected &lt;'],
  ['<1/>', 'found the tag "1", expected <a>'],
  ['<a"/>', 'found the tag "a\\"", expected <a>'],
  ['<a', 'the body ends, expected XML'],
  [`<a><${'\x7f'.repeat(99)}`, 'the body ends, expected </a>'],
  ['<a>', 'the body ends, expected </a>'],
  ['<a>x', 'the body ends, expected </a>'],
  ['<a></a', 'the body ends, expected </a>'],
  ['<a><b></a>', 'found "</a>", expected </b>'],
  ['<a></A>', 'found "</A>", expected </a>'],
  ['<a></ab>', 'found "</ab>", expected </a>'],
  ['<a></a x="y">', 'found "</a x=\\"y\\">", expected </a>'],
  ['<a></ a>', 'found "</ a>", expected </a>'],
  ['<a>1 < 2</a>', 'found a < that starts no tag, expected &lt;'],
  ['<a/ >', 'the tag "a" is malformed, expected attributes or >'],
  ['<a/b>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a<b/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x=1/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x="1/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x="<"/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x="1"y="2"/>', 'the tag "a" is malformed, expected attributes or >'],
  ['<a x="1" x="2"/>', 'found the attribute "x", expected a name, once'],
  ['<a 1="1"/>', 'found the attribute "1", expected a name, once'],
  ['<a x="&b;"/>', 'found "&b;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  ['<a>&b;</a>', 'found "&b;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  ['<a>&AMP;</a>', 'found "&AMP;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  [
    '<a>p&ssword and phrase;</a>',
    'found an & that starts no reference, expected one of &amp; &lt; &gt; &quot; &apos;',
  ],
  ['<a>&;</a>', 'found "&;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  ['<a>&#X41;</a>', 'found "&#X41;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  ['<a>&#x;</a>', 'found "&#x;", expected one of &amp; &lt; &gt; &quot; &apos;'],
  ['<a>1 & 2</a>', 'found an & without a ; after it, expected &amp;'],
  ...[
    '0',
    '1',
    '11',
    '31',
    '55296',
    'xDFFF',
    'xFFFE',
    'xFFFF',
    'x110000',
    `x${'F'.repeat(30)}`,
  ].map((code): [string, string] => [
    `<a>&#${code};</a>`,
    `found "&#${code};", expected a character of XML`,
  ]),
  ...['&#xD83D;&#65;', '&#55357; &#56832;', '&#xD83D;&#xD83D;&#xDE00;'].map(
    (half): [string, string] => [
      `<a>${half}</a>`,
      `found "${half.slice(0, 8)}", expected a character of XML`,
    ],
  ),
  ['<a>&#xDE00;&#xD83D;</a>', 'found "&#xDE00;", expected a character of XML'],
  ...['0', '8', 'b', 'c', 'e', '1f', 'fffe', 'ffff'].map((code): [string, string] => {
    const character = String.fromCharCode(Number.parseInt(code, 16));
    const shown = JSON.stringify(character).slice(1, -1);
    const found = code.startsWith('fff') ? `\\u{${code}}` : shown;
    return [`<a>${character}</a>`, `found the character "${found}", expected only those of XML`];
  }),
  ['<a>]]></a>', 'found ]]> in text, expected ]]&gt;'],
  ['<a><![CDATA[x</a>', 'the body ends, expected </a>'],
  ['<![CDATA[]]><a/>', 'found a declaration such as <!DOCTYPE>, expected none'],
  ['<a><!-- -- --></a>', 'found -- in a comment, expected -->'],
  ['<a><!-- ---></a>', 'found -- in a comment, expected -->'],
  ['<a><!--></a>', 'the body ends, expected </a>'],
  [
    '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    'found a declaration such as <!DOCTYPE>, expected none',
  ],
  ['<a><!ELEMENT b></a>', 'found a declaration such as <!DOCTYPE>, expected none'],
  [
    '<a><? b?></a>',
    'found "<?", expected an XML declaration only at the very start, as <?xml version="1.0"?>',
  ],
  ...[
    ' <?xml version="1.0"?><a/>',
    '<a><?xml?></a>',
    '<?xml?><a/>',
    '<?xml version="2.0"?><a/>',
  ].map((text): [string, string] => [
    text,
    'found "<?xml", expected an XML declaration only at the very start, as <?xml version="1.0"?>',
  ]),
  ['<a/><a/>', 'something follows the last end tag, expected nothing'],
  ['<a/>x', 'something follows the last end tag, expected nothing'],
  ['<a/></a>', 'something follows the last end tag, expected nothing'],
  ['<a/>\0', 'found the character "\\u0000", expected only those of XML'],
];

for (const [text, message] of malformed) {
  test(`${JSON.stringify(text)} is not XML`, () => {
    const fault = faultOf(() => read(text));
    assert.equal(fault.message.replace(/ \(line \d+, column \d+\)$/, ''), message);
    assert.equal(fault.faultCode, NOT_XML);
  });
}

test('what is XML but not expected is told apart from what is not XML', () => {
  for (const text of ['<c/>', '<a><c/></a>', '<a><b/>x</a>', '<a><b><b/></b></a>']) {
    assert.equal(faultOf(() => read(text)).faultCode, NOT_A_CALL, text);
  }
});

test('a fault names line and column', () => {
  const fault = faultOf(() => read('<a>\r\n\r\n  <b></c>'));
  assert.match(fault.message, /\(line 3, column 10\)$/);
});
