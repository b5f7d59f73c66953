/** From the bytes of an XML document to its text, strictly: no byte is guessed or replaced. */
import { isAscii } from 'node:buffer';
import { excerpt } from './excerpt.js';
import { Fault, NOT_XML } from './faults.js';

type Encoding = 'UTF-8' | 'UTF-16' | 'UTF-16LE' | 'UTF-16BE' | 'ISO-8859-1' | 'US-ASCII';

/** By the names that clients give them, in lower case. */
const encodings: ReadonlyMap<string, Encoding> = new Map<string, Encoding>([
  ['utf-8', 'UTF-8'],
  ['utf8', 'UTF-8'],
  ['utf-16', 'UTF-16'],
  ['utf-16le', 'UTF-16'],
  ['utf-16be', 'UTF-16'],
  ['iso-8859-1', 'ISO-8859-1'],
  ['latin1', 'ISO-8859-1'],
  ['us-ascii', 'US-ASCII'],
  ['ascii', 'US-ASCII'],
]);

const CHARSET = /;\s*charset\s*=\s*["']?([^\s;"']+)/i;

const DECLARED = /^<\?xml[ \t\r\n][^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*["']([^"'>]*)["']/;
/** A declaration is some 50 bytes long; the rest is room for white space. */
const DECLARATION_BYTES = 256;

const STRICT = { fatal: true };
const utf8 = new TextDecoder('UTF-8', STRICT);

/**
 * Decodes by the first bytes (a byte order mark, UTF-16's zeros), else by the content type's charset,
 * else by the XML declaration, else as UTF-8: the order of RFC 7303.
 */
export function decodeText(body: Buffer, contentType = ''): string {
  const encoding = encodingOf(body, contentType);
  if (encoding === 'ISO-8859-1') return body.toString('latin1');
  if (encoding === 'US-ASCII' || encoding === 'UTF-8') {
    if (isAscii(body)) return body.toString('latin1');
  }
  // A body in UTF-16 starts with a mark or with `<`: without either it is in something else.
  if (encoding === 'US-ASCII' || encoding === 'UTF-16') throw notIn(encoding);
  try {
    const decoder = encoding === 'UTF-8' ? utf8 : new TextDecoder(encoding, STRICT);
    return decoder.decode(body);
  } catch (cause) {
    throw notIn(encoding, cause);
  }
}

function encodingOf(body: Buffer, contentType: string): Encoding {
  const [first, second, third] = body;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return 'UTF-16LE';
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return 'UTF-16BE';
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'UTF-8';

  const label =
    CHARSET.exec(contentType)?.[1] ??
    DECLARED.exec(body.toString('latin1', 0, DECLARATION_BYTES))?.[1] ??
    'UTF-8';
  const encoding = encodings.get(label.toLowerCase());
  if (encoding) return encoding;
  const known = 'UTF-8, UTF-16, ISO-8859-1 or US-ASCII';
  throw new Fault(NOT_XML, `the encoding is ${excerpt(label)}, expected ${known}`);
}

function notIn(encoding: Encoding, cause?: unknown): Fault {
  const message = `the body's bytes are not ${encoding}, expected what its charset or XML declaration says`;
  return new Fault(NOT_XML, message, { cause });
}
