/** What went wrong with a request, as an error of ours. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import {
  type ApnsdError,
  AuthenticationError,
  DaemonUnavailableError,
  InvalidArgumentError,
} from '../../errors.js';

/** Where the daemon, or who stands before it, refuses the request as HTTP does. */
export function refusalOf(
  { statusCode: status }: IncomingMessage,
  host: string,
): ApnsdError | undefined {
  if (status === 200) return undefined;
  const what = `${host} answered HTTP ${status}`;
  if (status === 401 || status === 403) {
    return new AuthenticationError(`${what}: wrong or missing secret`);
  }
  if (status === 408 || status === 413 || status === 415) return new InvalidArgumentError(what);
  return new DaemonUnavailableError(what);
}

export function unreachable(error: NodeJS.ErrnoException, host: string): DaemonUnavailableError {
  const reason = error.message || error.code;
  return new DaemonUnavailableError(`${host} can't be reached: ${reason}`, { cause: error });
}

/**
 * A kept-alive connection that the daemon closed while we wrote. That says nothing against the daemon, and the call may
 * be repeated at once: should it have been taken, its id tells. See https://nodejs.org/api/http.html#requestreusedsocket
 */
export function wasClosedUnderUs(request: ClientRequest, { code }: NodeJS.ErrnoException): boolean {
  return request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
}
