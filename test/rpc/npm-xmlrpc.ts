import { createRequire } from 'node:module';
import type { Call, Value } from '../../src/rpc/xml.js';

/** What is inside npm xmlrpc, which it does not export, without the streams round it: it all runs at once. */

interface Source {
  setEncoding(encoding: string): void;
  on(event: string, listener: () => void): void;
  pipe(parser: { end(body: Buffer): void }): void;
}

interface Deserializer {
  deserializeMethodCall(
    source: Source,
    callback: (error: Error | null, method: string, params: Value[]) => void,
  ): void;
  deserializeMethodResponse(
    source: Source,
    callback: (error: Error | null, value: Value) => void,
  ): void;
}

const require = createRequire(import.meta.url);
const Deserializer: new () => Deserializer = require('xmlrpc/lib/deserializer.js');

export const {
  serializeMethodCall,
}: {
  serializeMethodCall(method: string, params: readonly unknown[]): string;
} = require('xmlrpc/lib/serializer.js');

export function deserializeMethodCall(body: Buffer): Call {
  let call: Call | undefined;
  new Deserializer().deserializeMethodCall(source(body), (error, method, params) => {
    if (error) throw error;
    call = { method, params };
  });
  if (!call) throw new Error('npm xmlrpc did not call back');
  return call;
}

export function deserializeMethodResponse(text: string): Value {
  let answer: { value: Value } | undefined;
  new Deserializer().deserializeMethodResponse(source(Buffer.from(text)), (error, value) => {
    if (error) throw error;
    answer = { value };
  });
  if (!answer) throw new Error('npm xmlrpc did not call back');
  return answer.value;
}

function source(body: Buffer): Source {
  return { setEncoding() {}, on() {}, pipe: (parser) => parser.end(body) };
}
