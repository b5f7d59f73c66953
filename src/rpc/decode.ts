/** Reads XML-RPC calls and answers: takes what real clients and servers send, refuses what could mean two things. */
import { decodeText } from './charset.js';
import { excerpt } from './excerpt.js';
import { Fault, NOT_A_CALL } from './faults.js';
import { scalars, type Value } from './value.js';
import { XmlReader } from './xml-reader.js';

export interface Call {
  method: string;
  params: Value[];
}

/** Bounds of one call; the size of its body is the HTTP front's to bound. */
export interface Limits {
  /** How deep arrays and structs may stand in one another; the reader recurses, so that a few hundred are the most. */
  depth: number;
  /** How many values a call may have, counted at every depth. */
  values: number;
  /** Characters in the name of a method or of a struct's member. */
  nameLength: number;
  /** Characters in one value. */
  textLength: number;
}

export const defaultLimits: Readonly<Limits> = Object.freeze({
  /** A payload of Apple's 4,096 bytes is rarely deeper than ten; JSON text does not count. */
  depth: 64,
  /** Some 20,000 notifications of pyapns's kind, ten values each: more than fit into the front's 4 MiB. */
  values: 200_000,
  /** No longer name fits into any payload that Apple takes (5,120 bytes for VoIP). */
  nameLength: 5_120,
  /** `apnsd.send` is one string: room for 150,000 receivers. */
  textLength: 16_777_216,
});

const counted: Readonly<Record<keyof Limits, string>> = {
  depth: 'levels of arrays and structs',
  values: 'values',
  nameLength: 'characters in a name',
  textLength: 'characters in a value',
};

const NOT_SPACE = /[^ \t\n]/;

/**
 * Reads the body of a call; `contentType` matters for its charset only. Long strings share the memory of
 * the whole body's text: copy what outlives the call.
 *
 * Throws a `Fault`: `NOT_XML` for what is not well-formed, has a DTD or is not in its encoding, `NOT_A_CALL`
 * for other XML than a call, for values that are not of their type and for what is beyond the limits.
 */
export function decodeCall(body: Buffer, contentType?: string, limits?: Partial<Limits>): Call {
  return new Reader(decodeText(body, contentType), limits).call();
}

/** Its caller has chosen the daemon, and may ask for as much as it has. */
const answerLimits: Readonly<Limits> = {
  ...defaultLimits,
  values: Number.POSITIVE_INFINITY,
  textLength: Number.POSITIVE_INFINITY,
};

/**
 * Reads the body of an answer: the value that it gives, or the fault that it is. `contentType` as for
 * {@link decodeCall}, which throws the same for what is no answer.
 */
export function decodeAnswer(body: Buffer, contentType?: string): Value | Fault {
  return new Reader(decodeText(body, contentType), answerLimits).answer();
}

class Reader {
  readonly #xml: XmlReader;
  readonly #limits: Limits;
  #values = 0;

  constructor(text: string, limits?: Partial<Limits>) {
    this.#xml = new XmlReader(text);
    this.#limits = { ...defaultLimits, ...limits };
  }

  call(): Call {
    const xml = this.#xml;
    xml.enter('methodCall');
    const method = this.#name('methodName').trim();
    if (method === '') throw xml.fault(NOT_A_CALL, '<methodName> is empty, expected a name');
    const params: Value[] = [];
    if (xml.hasChild()) {
      xml.enter('params');
      while (xml.hasChild()) {
        xml.enter('param');
        params.push(this.#value(0));
        xml.leave();
      }
      xml.leave();
    }
    xml.leave();
    xml.end();
    return { method, params };
  }

  answer(): Value | Fault {
    const xml = this.#xml;
    xml.enter('methodResponse');
    const answer = xml.nextIs('fault') ? this.#fault() : this.#result();
    xml.leave();
    xml.end();
    return answer;
  }

  #result(): Value {
    const xml = this.#xml;
    xml.enter('params');
    xml.enter('param');
    const value = this.#value(0);
    xml.leave();
    xml.leave();
    return value;
  }

  #fault(): Fault {
    const xml = this.#xml;
    xml.enter('fault');
    const { faultCode, faultString } = Object(this.#value(0));
    if (typeof faultCode !== 'number' || typeof faultString !== 'string') {
      throw xml.fault(NOT_A_CALL, 'the fault has no faultCode and faultString');
    }
    xml.leave();
    return new Fault(faultCode, faultString);
  }

  #value(depth: number): Value {
    const xml = this.#xml;
    this.#values += 1;
    if (this.#values > this.#limits.values) throw this.#beyond('values', this.#values);
    xml.enter('value');
    const text = this.#bounded('textLength');
    const value = xml.hasChild() ? this.#typed(text, depth) : text;
    xml.leave();
    return value;
  }

  #typed(before: string, depth: number): Value {
    const xml = this.#xml;
    const type = xml.open();
    if (before !== '' && NOT_SPACE.test(before)) {
      throw xml.fault(NOT_A_CALL, `found text before the tag ${excerpt(type)}, expected none`);
    }
    const value =
      type === 'struct'
        ? this.#struct(depth + 1)
        : type === 'array'
          ? this.#array(depth + 1)
          : this.#scalar(type);
    xml.leave();
    return value;
  }

  #struct(depth: number): Value {
    const xml = this.#xml;
    if (depth > this.#limits.depth) throw this.#beyond('depth', depth);
    const struct: { [name: string]: Value } = Object.create(null);
    while (xml.hasChild()) {
      xml.enter('member');
      const name = this.#name('name');
      struct[name] = this.#value(depth);
      xml.leave();
    }
    return struct;
  }

  #array(depth: number): Value {
    const xml = this.#xml;
    if (depth > this.#limits.depth) throw this.#beyond('depth', depth);
    const array: Value[] = [];
    xml.enter('data');
    while (xml.hasChild()) array.push(this.#value(depth));
    xml.leave();
    return array;
  }

  #scalar(type: string): Value {
    const xml = this.#xml;
    const scalar = scalars.get(type);
    if (!scalar) throw xml.unexpected(type, "one of XML-RPC's types, such as <string>");
    const text = this.#bounded('textLength');
    const value = scalar.read(text);
    if (value !== undefined) return value;
    // Not shown: it may be a secret, sent with the wrong type.
    const found = text === '' ? 'is empty' : `can't be read (${text.length} characters)`;
    throw xml.fault(NOT_A_CALL, `<${type}> ${found}, expected ${scalar.expected}`);
  }

  #name(tag: string): string {
    const xml = this.#xml;
    xml.enter(tag);
    const name = this.#bounded('nameLength');
    xml.leave();
    return name;
  }

  #bounded(limit: 'nameLength' | 'textLength'): string {
    const text = this.#xml.text();
    if (text.length > this.#limits[limit]) throw this.#beyond(limit, text.length);
    return text;
  }

  #beyond(limit: keyof Limits, count: number): Fault {
    const message = `found ${count} ${counted[limit]}, expected at most ${this.#limits[limit]}`;
    return this.#xml.fault(NOT_A_CALL, message);
  }
}
