import assert from 'node:assert/strict';
import { Fault } from '../../src/rpc/faults.js';
import { type Call, decodeCall, type Value } from '../../src/rpc/xml.js';
import { headerOf, requestOf } from '../support/recordings.js';

/** Calls to decode, and what becomes of them. */

/** The text of a call with these `<value>`s. */
export function callOf(...values: string[]): string {
  const params = values.map((value) => `<param>${value}</param>`).join('');
  return `<methodCall><methodName>m</methodName><params>${params}</params></methodCall>`;
}

/** What the one `<value>` of a call decodes to. */
export function decodeValue(value: string): Value | undefined {
  const { params } = decodeCall(Buffer.from(callOf(value)));
  assert.equal(params.length, 1);
  return params[0];
}

export function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'there was no fault' });
}

/** A request that a real client sent, `python3/notify_types` for example. */
export function decodeRecording(recording: string): Call {
  const request = requestOf(recording);
  return decodeCall(request.body, headerOf(request, 'content-type'));
}

/** The value as the decoder makes it: structs without prototype, bytes in a Buffer. */
export function bare(value: unknown): Value {
  if (Array.isArray(value)) return value.map(bare);
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value as Value;
  const struct = Object.create(null);
  for (const [name, member] of Object.entries(value)) struct[name] = bare(member);
  return struct;
}
