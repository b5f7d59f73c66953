/** JSON text that survives the journey inside an XML-RPC string. */

/**
 * U+FFFE and U+FFFF, which XML can't carry, are written as `\uXXXX`; JSON.stringify does so with lone surrogates
 * and control characters, but leaves these two bare. So is the end of `]]>`: npm xmlrpc, which writes CDATA, takes
 * care of the first in a string only.
 */
export function toJsonText(value: unknown): string {
  return escapeForXml(JSON.stringify(value));
}

/** The same for text that is JSON already. */
export function escapeForXml(json: string): string {
  return json
    .replaceAll('\ufffe', '\\ufffe')
    .replaceAll('\uffff', '\\uffff')
    .replaceAll(']]>', ']]\\u003e');
}

/** JSON text in which XML has nothing to escape. */
export class PlainJson {
  readonly text: string;

  constructor(json: string) {
    this.text = escapeForXml(json).replaceAll('&', '\\u0026').replaceAll('<', '\\u003c');
  }
}
