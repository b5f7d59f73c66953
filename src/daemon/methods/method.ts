/** What a method is, and what it gets. */
import { type Fault, faultOf, INTERNAL } from '../../rpc/faults.js';
import type { Value, Writable } from '../../rpc/xml.js';
import type { Apps } from '../apps/apps.js';
import type { Log } from '../config/json-log.js';
import type { Deduplicator } from '../dedup/deduplicator.js';
import type { AnswerWriter } from '../http/answer-writer.js';

export interface Method {
  /** @throws ApnsdError or Fault */
  run(params: Value[], context: CallContext): Promise<Writable> | Writable;
  /** Types of XML-RPC for each way to call it: the result's, then the parameters'. */
  signatures: string[][];
  help: string;
}

export interface MethodContext {
  apps: Apps;
  answers: Deduplicator;
  version: string;
  /** Milliseconds of performance.now. */
  startedAt: number;
  /** Ends what waits for Apple: the daemon is stopping. */
  signal: AbortSignal;
  /** Aborted when the daemon begins to leave. */
  draining: AbortSignal;
  log: Log;
}

export interface CallContext extends MethodContext {
  /** Takes what is to be done if the answer does not reach its caller. */
  whenLost: (undo: () => void) => void;
  /** For an answer of parts that are written as they come. */
  answer: AnswerWriter;
  /** Aborted when the caller hangs up. */
  callerSignal: () => AbortSignal;
}

/** What is answered for an error; one of the daemon's own is logged with its stack. */
export function loggedFault(error: unknown, log: Log): Fault {
  const fault = faultOf(error);
  const { faultCode, message, cause } = fault;
  const internal = faultCode === INTERNAL && cause instanceof Error ? { stack: cause.stack } : {};
  log('fault', { faultCode, reason: message, ...internal });
  return fault;
}
