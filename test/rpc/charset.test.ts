import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeText } from '../../src/rpc/charset.js';
import { NOT_XML } from '../../src/rpc/faults.js';
import { decodeCall } from '../../src/rpc/xml.js';
import { callOf, faultOf } from './calls.js';

const text = 'café € 😀';
const utf16le = (source: string) => Buffer.from(source, 'utf16le');
const utf16be = (source: string) => Buffer.from(source, 'utf16le').swap16();
const latin1 = (source: string) => Buffer.from(source, 'latin1');
const declared = (encoding: string, value: string) =>
  `<?xml version="1.0" encoding="${encoding}"?>${callOf(`<value>${value}</value>`)}`;

const bodies: [name: string, body: Buffer, contentType: string | undefined, value: string][] = [
  ['UTF-8 that nothing names', Buffer.from(callOf(`<value>${text}</value>`)), undefined, text],
  ['UTF-8 by declaration', Buffer.from(declared('UTF-8', text)), 'text/xml', text],
  ['UTF-8 by byte order mark', Buffer.from(`\ufeff${declared('utf-8', text)}`), undefined, text],
  [
    'a byte order mark against the charset',
    Buffer.from(`\ufeff${declared('iso-8859-1', text)}`),
    'text/xml; charset=us-ascii',
    text,
  ],
  ['UTF-16LE by mark', utf16le(`\ufeff${declared('UTF-16', text)}`), undefined, text],
  ['UTF-16BE by mark', utf16be(`\ufeff${declared('UTF-16', text)}`), undefined, text],
  ['UTF-16LE by its zeros', utf16le(declared('utf-16le', text)), 'text/xml', text],
  ['UTF-16BE by its zeros', utf16be(declared('UTF-16BE', text)), 'text/xml', text],
  ['UTF-16 by charset', utf16be(declared('x', text)), 'text/xml; charset=utf-16', text],
  ['ISO-8859-1 by declaration', latin1(declared('ISO-8859-1', 'café')), undefined, 'café'],
  ['latin1 by declaration', latin1(declared('latin1', 'café')), 'text/xml', 'café'],
  ['ISO-8859-1 by charset', latin1(declared('x', 'é')), 'text/xml; charset="ISO-8859-1"', 'é'],
  ['a charset against the declaration', latin1(declared('utf-8', 'é')), 'a/b;charset=latin1', 'é'],
  ['US-ASCII by declaration', latin1(declared('US-ASCII', 'e')), undefined, 'e'],
  ['US-ASCII with references', latin1(declared('ascii', 'caf&#233;')), undefined, 'café'],
];

for (const [name, body, contentType, value] of bodies) {
  test(`${name} is read`, () => {
    assert.deepEqual(decodeCall(body, contentType).params, [value]);
  });
}

const wrong: [name: string, body: Buffer, contentType: string | undefined, message: RegExp][] = [
  ['a lone byte', latin1('<a>caf\xe9</a>'), undefined, /^the body's bytes are not UTF-8/],
  ['an overlong form', latin1('<a>\xc0\xbc</a>'), undefined, /^the body's bytes are not UTF-8/],
  ['a surrogate in UTF-8', latin1('<a>\xed\xa0\x80'), undefined, /^the body's bytes are not UTF-8/],
  ['a character cut off', latin1('<a>\xe2\x82'), undefined, /^the body's bytes are not UTF-8/],
  ['a lone surrogate', utf16le('<a>\ud800</a>'), undefined, /^the body's bytes are not UTF-16LE/],
  [
    'half a character',
    utf16be('<a>').subarray(0, 5),
    undefined,
    /^the body's bytes are not UTF-16BE/,
  ],
  [
    'a byte above ASCII',
    latin1(declared('ascii', 'é')),
    undefined,
    /^the body's bytes are not US-A/,
  ],
  [
    'UTF-16 in name only',
    latin1(declared('UTF-16', 'e')),
    undefined,
    /^the body's bytes are not UT/,
  ],
  [
    'an encoding that it does not know',
    latin1(declared('EBCDIC-CP-US', 'e')),
    undefined,
    /^the encoding is "EBCDIC-CP-US", expected UTF-8, UTF-16, ISO-8859-1 or US-ASCII$/,
  ],
  ['an unknown charset', latin1('<a/>'), 'text/xml; charset=utf-7', /^the encoding is "utf-7"/],
];

for (const [name, body, contentType, message] of wrong) {
  test(`${name} is refused`, () => {
    const fault = faultOf(() => decodeText(body, contentType));
    assert.equal(fault.faultCode, NOT_XML);
    assert.match(fault.message, message);
  });
}
