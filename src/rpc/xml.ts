/** The XML-RPC codec of the daemon, by name; no logic. The client has the package `xmlrpc`. */

export { type Call, decodeCall, defaultLimits, type Limits } from './decode.js';
export { type EncodeOptions, encodeAnswer, encodeFault } from './encode.js';
export type { Value } from './value.js';
