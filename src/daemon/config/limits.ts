/** How much of anything a caller may ask for. */
import { ConfigError } from '../../errors.js';
import { defaultLimits as xml } from '../../rpc/xml.js';

export interface Limits {
  /** A request body, in bytes; beyond it HTTP 413. @default 4 MiB */
  maxBodyBytes: number;
  /** Arrays and structs within each other; beyond it fault -32600, as for the three below. @default 64 */
  maxDepth: number;
  /** Values in a call. @default 200,000 */
  maxValues: number;
  /** Characters in the name of a method or of a struct's member. @default 5,120 */
  maxNameLength: number;
  /** Characters in one value. @default 16 Mi */
  maxTextLength: number;
  /** Calls in flight; beyond it fault 503, as for `maxCallBytes`. @default 1,000 */
  maxCalls: number;
  /** The bodies of the calls in flight, together; a call's even share of it is always taken. @default 8 MiB */
  maxCallBytes: number;
  /**
   * The answers that wait to be taken, together, in bytes; a call's even share of it is always written. Beyond it
   * fault 503. @default 40 MiB
   */
  maxAnswerBytes: number;
  /** Connections; one more is closed at once. @default 4,000 */
  maxConnections: number;
  /** How long a caller may take to send a request's headers, in milliseconds; then HTTP 408. @default 10,000 */
  headersTimeoutMs: number;
  /**
   * How long a caller may take to send a whole request; then HTTP 408. Who takes nothing of an answer for so long is
   * let go. @default 30,000
   */
  requestTimeoutMs: number;
}

export const defaultLimits: Readonly<Limits> = {
  /** Ten thousand notifications of the usual size. */
  maxBodyBytes: 4 << 20,
  maxDepth: xml.depth,
  maxValues: xml.values,
  maxNameLength: xml.nameLength,
  maxTextLength: xml.textLength,
  /** Thirty busy client processes; each waits for Apple's answer. */
  maxCalls: 1000,
  /** Four of the largest bodies, each a multiple of its size while it is read, and 16 KiB for every call whatever the others hold. */
  maxCallBytes: 8 << 20,
  /** A full list of dead tokens of the greatest length, and 40 KiB for every call whatever the others hold. */
  maxAnswerBytes: 40 << 20,
  /** A client process keeps 32 at most. */
  maxConnections: 4000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
};

/** A day: timers know nothing beyond 24 of them. */
export const maxTimerMs = 86_400_000;
/** A body becomes one string, which Node bounds at 512 Mi characters. */
const maxString = 1 << 28;
/** Room for a thousand faults. */
const minAnswerBytes = 1 << 20;

/** @throws ConfigError */
export function limitsFrom(options: Partial<Limits>): Limits {
  const count = (name: keyof Limits, least: number, most: number) => {
    const value = options[name] ?? defaultLimits[name];
    if (Number.isInteger(value)) return checkNumber(name, value, least, most);
    throw new ConfigError(`${name} is ${value}, expected a whole number`);
  };
  const maxBodyBytes = count('maxBodyBytes', 1, maxString);
  const { requestTimeoutMs = defaultLimits.requestTimeoutMs } = options;
  const { headersTimeoutMs = Math.min(defaultLimits.headersTimeoutMs, requestTimeoutMs) } = options;
  return {
    maxBodyBytes,
    // Structures are read, and written again, by functions that call themselves.
    maxDepth: count('maxDepth', 1, 500),
    maxValues: count('maxValues', 1, maxString),
    maxNameLength: count('maxNameLength', 1, maxString),
    maxTextLength: count('maxTextLength', 1, maxString),
    maxCalls: count('maxCalls', 1, 1_000_000),
    maxCallBytes: count('maxCallBytes', maxBodyBytes, Number.MAX_SAFE_INTEGER),
    maxAnswerBytes: count('maxAnswerBytes', minAnswerBytes, Number.MAX_SAFE_INTEGER),
    maxConnections: count('maxConnections', 1, 1_000_000),
    requestTimeoutMs: checkNumber('requestTimeoutMs', requestTimeoutMs, 1, maxTimerMs),
    headersTimeoutMs: checkNumber('headersTimeoutMs', headersTimeoutMs, 1, requestTimeoutMs),
  };
}

/** @throws ConfigError */
export function checkNumber(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new ConfigError(`${name} is ${value}, expected a number from ${least} to ${most}`);
}
