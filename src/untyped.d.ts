/** Files of packages that have no types of their own. */

declare module 'xmlrpc/lib/serializer.js' {
  const serializer: {
    /** @throws Error for characters that XML can't carry; it quotes the whole text */
    serializeMethodCall(method: string, params: unknown[]): string;
  };
  export = serializer;
}

declare module 'xmlrpc/lib/customtype.js' {
  /** A value that writes itself. */
  class CustomType {
    raw: string;
    constructor(raw: string);
    serialize(xml: { ele(name: string): { raw(text: string): unknown } }): unknown;
  }
  export = CustomType;
}

declare module 'debug/src/index.js' {
  import debug = require('debug');
  export = debug;
}

declare module 'node-forge/lib/rc2.js' {
  import { rc2 } from 'node-forge';
  export = rc2;
}

declare module 'node-forge/lib/util.js' {
  import { util } from 'node-forge';
  export = util;
}
