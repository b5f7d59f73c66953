/** The one table between fault numbers on the wire and error classes, used by both ends. */
import {
  ApnsdError,
  ApnsUnavailableError,
  CredentialsError,
  DaemonError,
  ExpiredError,
  InvalidArgumentError,
  InvalidEnvironmentError,
  NotConfiguredError,
  OverloadedError,
  ProtocolError,
  UnknownAppIdError,
} from '../errors.js';
import { ascii } from './excerpt.js';

/** An XML-RPC fault: travels over HTTP 200 as `faultCode` and `faultString`. */
export class Fault extends Error {
  readonly faultCode: number;

  constructor(faultCode: number, faultString: string, options?: { cause?: unknown }) {
    super(faultString, options);
    this.name = 'Fault';
    this.faultCode = faultCode;
  }
}

/** Numbers of the XML-RPC specification's error interoperability note. */
export const NOT_XML = -32700;
export const NOT_A_CALL = -32600;
export const NO_SUCH_METHOD = -32601;
export const INTERNAL = -32500;

type ErrorClass = new (message: string, options?: { cause?: unknown }) => ApnsdError;

const errorClasses: ReadonlyMap<number, ErrorClass> = new Map<number, ErrorClass>([
  [404, UnknownAppIdError],
  [428, NotConfiguredError],
  [401, InvalidEnvironmentError],
  [400, InvalidArgumentError],
  [422, CredentialsError],
  [500, ApnsUnavailableError],
  [503, OverloadedError],
  [NOT_XML, ProtocolError],
  [NOT_A_CALL, ProtocolError],
  [NO_SUCH_METHOD, ProtocolError],
  [INTERNAL, DaemonError],
]);

/** What the daemon answers for an error, in ASCII; anything that is not ours is an internal error. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) {
    const { faultCode, message } = error;
    const shown = ascii(message);
    return shown === message ? error : new Fault(faultCode, shown, { cause: error });
  }
  if (error instanceof ApnsdError) {
    for (const [faultCode, errorClass] of errorClasses) {
      if (!(error instanceof errorClass)) continue;
      return new Fault(faultCode, ascii(error.message), { cause: error });
    }
  }
  return new Fault(INTERNAL, "internal error, the daemon's log has more", { cause: error });
}

/** What the client throws for a fault; a number that is not in the table is a protocol error. */
export function errorOf(fault: Fault): ApnsdError {
  const errorClass = errorClasses.get(fault.faultCode);
  if (errorClass) return new errorClass(fault.message, { cause: fault });
  return new ProtocolError(`fault ${fault.faultCode}: ${fault.message}`, { cause: fault });
}

/** Of one notification, never of a whole call: so there is no fault for it. */
const withoutFault: ErrorClass[] = [ExpiredError];

const errorsByCode = new Map(
  [...errorClasses.values(), ...withoutFault].map((errorClass) => [
    new errorClass('').code,
    errorClass,
  ]),
);

/** What the client throws for a member of `apnsd.send` that failed, by its `code`. */
export function errorOfCode(code: string, message: string): ApnsdError {
  const errorClass = errorsByCode.get(code);
  if (errorClass) return new errorClass(message);
  return new ProtocolError(`the daemon answered code ${code}: ${message}`);
}
