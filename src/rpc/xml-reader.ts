/** Reads the text of an XML document in one pass: no tree, no list of tokens. */
import { excerpt } from './excerpt.js';
import { Fault, NOT_A_CALL, NOT_XML } from './faults.js';

const BANG = 0x21;
const HASH = 0x23;
const SLASH = 0x2f;
const LESS = 0x3c;
const GREATER = 0x3e;
const QUESTION = 0x3f;
const SPACE = 0x20;
const LF = 0x0a;
const TAB = 0x09;

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML has none of them, not even as references.
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;

const DECLARATION =
  /<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(["'])1\.\d+\1([ \t\n]+encoding[ \t\n]*=[ \t\n]*(["'])[A-Za-z][\w.-]*\3)?([ \t\n]+standalone[ \t\n]*=[ \t\n]*(["'])(yes|no)\5)?[ \t\n]*\?>/y;
const NAME = /^[\p{L}_:][\p{L}\p{M}\p{N}_:.·-]*$/u;
const ATTRIBUTE = /[ \t\n]+([^ \t\n"'&/<=>]+)[ \t\n]*=[ \t\n]*(?:"([^"<]*)"|'([^'<]*)')/y;

/** A character beyond 16 bits as Java writes it: a reference for each half, of which XML knows neither. */
const HALVES = /&#(?:x(d[89ab][0-9a-f]{2})|([0-9]{5}));&#(?:x(d[c-f][0-9a-f]{2})|([0-9]{5}));/iy;
const REFERENCE = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/;
/** Of those entities of HTML that somebody may take for XML's. */
const LONGEST_NAME = 8;
/** DTDs are refused, so that there can be no others. */
const entities: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/**
 * Walks through a document as its caller asks for tags and text, and checks on the way that it is
 * well-formed: what is not gives the fault {@link NOT_XML}, what is merely not expected {@link NOT_A_CALL},
 * and the first of them ends the walk. `<x/>` reads as `<x></x>`; attributes are checked and dropped.
 */
export class XmlReader {
  readonly #text: string;
  #at = 0;
  /** Names of the elements that are open here. */
  readonly #path: string[] = [];
  /** The element opened last was `<x/>`: it has neither text nor children. */
  #empty = false;
  /** Most documents have neither `&` nor `]]>`: their texts need no second look. */
  readonly #plain: boolean;

  constructor(source: string) {
    const text = withLineFeeds(source);
    this.#text = text;
    this.#plain = !text.includes('&') && !text.includes(']]>');
    const forbidden = text.search(FORBIDDEN);
    if (forbidden >= 0) {
      this.#at = forbidden;
      const character = excerpt(text.charAt(forbidden));
      throw this.fault(NOT_XML, `found the character ${character}, expected only those of XML`);
    }
    DECLARATION.lastIndex = 0;
    if (DECLARATION.test(text)) this.#at = DECLARATION.lastIndex;
  }

  /** Whether another element starts before the one that is open ends. */
  hasChild(): boolean {
    if (this.#empty) return false;
    if (!this.#atTag()) this.#skip();
    if (!this.#atTag()) throw this.#stray();
    return this.#text.charCodeAt(this.#at + 1) !== SLASH;
  }

  /** Whether the name of that element begins so: {@link enter} looks at all of it. */
  nextIs(name: string): boolean {
    return this.hasChild() && this.#text.startsWith(name, this.#at + 1);
  }

  /** Opens the element that {@link hasChild} saw, whatever its name. */
  open(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = start;
    let code = text.charCodeAt(end);
    while (code > SPACE && code !== GREATER && code !== SLASH && code !== LESS) {
      code = text.charCodeAt(++end);
    }
    const name = text.slice(start, end);
    if (name === '') throw this.fault(NOT_XML, 'found a < that starts no tag, expected &lt;');
    this.#at = end + 1;
    if (code !== GREATER) this.#attributes(name, end);
    this.#path.push(name);
    return name;
  }

  /** Opens the element `name`, which must come next. */
  enter(name: string): void {
    if (!this.hasChild()) {
      const parent = this.#path.at(-1);
      this.leave();
      throw this.fault(NOT_A_CALL, `<${parent}> ends, expected <${name}> in it`);
    }
    const start = this.#at + 1;
    const end = start + name.length;
    if (this.#text.charCodeAt(end) === GREATER && this.#text.startsWith(name, start)) {
      this.#path.push(name);
      this.#at = end + 1;
      return;
    }
    const found = this.open();
    if (found !== name) throw this.unexpected(found, `<${name}>`);
  }

  /** Character data up to the next tag: references resolved, CDATA joined, comments left out. */
  text(): string {
    if (this.#empty) return '';
    const text = this.#run();
    if (this.#atTag()) return text;
    const pieces = [text];
    while (!this.#atTag()) pieces.push(this.#markup(), this.#run());
    return pieces.join('');
  }

  /** Ends the element that is open; it must have no more children. */
  leave(): void {
    const name = this.#path.at(-1) ?? '';
    if (this.hasChild()) throw this.unexpected(this.open(), `</${name}>`);
    if (this.#empty) this.#empty = false;
    else this.#endTag(name);
    this.#path.pop();
  }

  /** Checks that nothing comes after the root. */
  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) {
      throw this.fault(NOT_XML, 'something follows the last end tag, expected nothing');
    }
  }

  /** A fault at the place where the reader stands. */
  fault(faultCode: number, message: string): Fault {
    let line = 1;
    let start = 0;
    for (let at = 0; at < this.#at; at += 1) {
      if (this.#text.charCodeAt(at) !== LF) continue;
      line += 1;
      start = at + 1;
    }
    const column = this.#at - start + 1;
    return new Fault(faultCode, `${message} (line ${line}, column ${column})`);
  }

  /** The fault for an element `name` that should not be here. */
  unexpected(name: string, expected: string): Fault {
    const faultCode = NAME.test(name) ? NOT_A_CALL : NOT_XML;
    return this.fault(faultCode, `found the tag ${excerpt(name)}, expected ${expected}`);
  }

  /** The fault for what is no tag where there should be one. */
  #stray(): Fault {
    const parent = this.#path.at(-1);
    if (this.#at >= this.#text.length) return this.#cut();
    if (parent) return this.fault(NOT_A_CALL, `found text in <${parent}>, expected only tags`);
    const start = excerpt(this.#text.slice(this.#at, this.#at + 16));
    return this.fault(NOT_XML, `found ${start}, expected XML`);
  }

  #cut(): Fault {
    const parent = this.#path.at(-1);
    this.#at = this.#text.length;
    return this.fault(NOT_XML, `the body ends, expected ${parent ? `</${parent}>` : 'XML'}`);
  }

  #endTag(name: string): void {
    const text = this.#text;
    const start = this.#at + 2;
    const end = this.#pastSpace(start + name.length);
    if (name === '' || !text.startsWith(name, start) || text.charCodeAt(end) !== GREATER) {
      const found = this.#through('>', 0);
      const expected = name ? `</${name}>` : 'a start tag';
      throw this.fault(NOT_XML, `found ${excerpt(`${found}>`)}, expected ${expected}`);
    }
    this.#at = end + 1;
  }

  /** Goes through what a start tag has after its name. */
  #attributes(tag: string, start: number): void {
    const text = this.#text;
    const seen = new Set<string>();
    let end = start;
    ATTRIBUTE.lastIndex = start;
    for (let found = ATTRIBUTE.exec(text); found; found = ATTRIBUTE.exec(text)) {
      const [, name = '', quoted, otherwise = ''] = found;
      if (!NAME.test(name) || seen.has(name)) {
        throw this.fault(NOT_XML, `found the attribute ${excerpt(name)}, expected a name, once`);
      }
      seen.add(name);
      this.#resolved(quoted ?? otherwise);
      end = ATTRIBUTE.lastIndex;
    }
    this.#at = this.#pastSpace(end);
    this.#empty = text.charCodeAt(this.#at) === SLASH;
    if (this.#empty) this.#at += 1;
    if (this.#at >= text.length) throw this.#cut();
    if (text.charCodeAt(this.#at) !== GREATER) {
      const found = `the tag ${excerpt(tag)} is malformed`;
      throw this.fault(NOT_XML, `${found}, expected attributes or >`);
    }
    this.#at += 1;
  }

  /** Text up to the next `<`. */
  #run(): string {
    const end = this.#text.indexOf('<', this.#at);
    if (end < 0) throw this.#cut();
    const raw = this.#text.slice(this.#at, end);
    this.#at = end;
    if (this.#plain) return raw;
    if (raw.includes(']]>')) throw this.fault(NOT_XML, 'found ]]> in text, expected ]]&gt;');
    return this.#resolved(raw);
  }

  #resolved(raw: string): string {
    let text = '';
    let start = 0;
    let mark = raw.indexOf('&');
    while (mark >= 0) {
      const end = raw.indexOf(';', mark);
      if (end < 0) throw this.fault(NOT_XML, 'found an & without a ; after it, expected &amp;');
      const halves = raw.charCodeAt(mark + 1) === HASH ? joinedHalves(raw, mark) : undefined;
      text += raw.slice(start, mark) + (halves?.text ?? this.#character(raw.slice(mark + 1, end)));
      start = halves?.end ?? end + 1;
      mark = raw.indexOf('&', start);
    }
    return start === 0 ? raw : text + raw.slice(start);
  }

  #character(reference: string): string {
    const entity = entities.get(reference);
    if (entity) return entity;
    const digits = REFERENCE.exec(reference);
    if (!digits) {
      // What is longer is text whose author forgot to escape an &: it may be a secret.
      const short = reference.length <= LONGEST_NAME;
      const found = short
        ? `found ${excerpt(`&${reference};`)}`
        : 'found an & that starts no reference';
      throw this.fault(NOT_XML, `${found}, expected one of &amp; &lt; &gt; &quot; &apos;`);
    }
    const [, hexadecimal, decimal = ''] = digits;
    const code = hexadecimal ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    const character = code <= 0x10ffff ? String.fromCodePoint(code) : '\0';
    if (FORBIDDEN.test(character) || (code >= 0xd800 && code <= 0xdfff)) {
      throw this.fault(NOT_XML, `found ${excerpt(`&${reference};`)}, expected a character of XML`);
    }
    return character;
  }

  /** Goes past white space, comments and processing instructions. */
  #skip(): void {
    this.#at = this.#pastSpace(this.#at);
    while (this.#atMarkup()) {
      if (this.#markup() !== '') throw this.#stray();
      this.#at = this.#pastSpace(this.#at);
    }
  }

  #pastSpace(from: number): number {
    let at = from;
    let code = this.#text.charCodeAt(at);
    while (code === SPACE || code === LF || code === TAB) code = this.#text.charCodeAt(++at);
    return at;
  }

  /** Whether the tag of an element starts here. */
  #atTag(): boolean {
    const code = this.#text.charCodeAt(this.#at + 1);
    return this.#text.charCodeAt(this.#at) === LESS && code !== BANG && code !== QUESTION;
  }

  /** Whether a comment, a processing instruction or CDATA starts here, or what should not. */
  #atMarkup(): boolean {
    return this.#text.charCodeAt(this.#at) === LESS && !this.#atTag();
  }

  /** Goes past what {@link #atMarkup} saw; only CDATA has a text. */
  #markup(): string {
    if (this.#text.startsWith('<!--', this.#at)) {
      this.#through('--', 4);
      if (this.#text.charCodeAt(this.#at) === GREATER) {
        this.#at += 1;
        return '';
      }
      throw this.fault(NOT_XML, 'found -- in a comment, expected -->');
    }
    if (this.#path.length > 0 && this.#text.startsWith('<![CDATA[', this.#at)) {
      return this.#through(']]>', 9);
    }
    if (this.#text.charCodeAt(this.#at + 1) === BANG) {
      throw this.fault(NOT_XML, 'found a declaration such as <!DOCTYPE>, expected none');
    }
    const target = /^[^ \t\n]*/.exec(this.#through('?>', 2))?.[0] ?? '';
    if (!NAME.test(target) || target.toLowerCase() === 'xml') {
      const expected = 'an XML declaration only at the very start, as <?xml version="1.0"?>';
      throw this.fault(NOT_XML, `found ${excerpt(`<?${target}`)}, expected ${expected}`);
    }
    return '';
  }

  /** Goes past the next `mark` and returns what was before it, without the first `skipped` characters. */
  #through(mark: string, skipped: number): string {
    const start = this.#at + skipped;
    const end = this.#text.indexOf(mark, start);
    if (end < 0) throw this.#cut();
    this.#at = end + mark.length;
    return this.#text.slice(start, end);
  }
}

/** The character whose two halves start at `mark`, and where they end. */
function joinedHalves(raw: string, mark: number): { text: string; end: number } | undefined {
  HALVES.lastIndex = mark;
  const [, highHex, high, lowHex, low] = HALVES.exec(raw) ?? [];
  const first = highHex ? Number.parseInt(highHex, 16) : Number(high);
  const second = lowHex ? Number.parseInt(lowHex, 16) : Number(low);
  const pair = first >= 0xd800 && first < 0xdc00 && second >= 0xdc00 && second < 0xe000;
  return pair ? { text: String.fromCharCode(first, second), end: HALVES.lastIndex } : undefined;
}

/** XML's line ends: CR LF and CR are LF. Splitting stays fast where there are millions of them. */
function withLineFeeds(text: string): string {
  if (!text.includes('\r')) return text;
  return text.split('\r\n').join('\n').split('\r').join('\n');
}
