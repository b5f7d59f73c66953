/** What went wrong with a request, as an error of ours. */
import type { ClientRequest } from 'node:http';
import {
  type ApnsdError,
  AuthenticationError,
  DaemonUnavailableError,
  InvalidArgumentError,
} from '../errors.js';

/** What the package gives for it. */
export type Failure = NodeJS.ErrnoException & { res?: { statusCode?: number } };

export function failureOf(error: Failure, host: string): ApnsdError {
  const status = error.res?.statusCode ?? 200;
  const cause = { cause: error };
  if (status === 401 || status === 403) {
    return new AuthenticationError(
      `${host} answered HTTP ${status}: wrong or missing secret`,
      cause,
    );
  }
  if (status === 408 || status === 413 || status === 415) {
    return new InvalidArgumentError(`${host} answered HTTP ${status}`, cause);
  }
  if (status !== 200) return new DaemonUnavailableError(`${host} answered HTTP ${status}`, cause);
  if (error.res && error.code === undefined) {
    return new DaemonUnavailableError(`${host} answered what is not XML-RPC`, cause);
  }
  const reason = error.message || error.code;
  return new DaemonUnavailableError(`${host} can't be reached: ${reason}`, cause);
}

/**
 * A kept-alive connection that the daemon closed while we wrote. That says nothing against the daemon, and the call may
 * be repeated at once: should it have been taken, its id tells. See https://nodejs.org/api/http.html#requestreusedsocket
 */
export function wasClosedUnderUs(request: ClientRequest, { code, res }: Failure): boolean {
  return request.reusedSocket && !res && (code === 'ECONNRESET' || code === 'EPIPE');
}
