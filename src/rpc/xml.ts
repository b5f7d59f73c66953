/** The XML-RPC codec, by name; no logic. The daemon needs all of it, the client, whose package writes its calls, reads answers. */

export { type Call, decodeAnswer, decodeCall, defaultLimits, type Limits } from './decode.js';
export {
  type EncodeOptions,
  encodeAnswer,
  encodeFault,
  Listing,
  type Room,
  type Writable,
  Written,
  writeAnswer,
  XmlWriter,
} from './encode.js';
export type { Value } from './value.js';
