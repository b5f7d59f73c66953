/** Every error that apnsd throws. `retriable` says whether the same call may succeed later; the client repeats those itself. */

interface ErrorOptions {
  cause?: unknown;
}

/** The root of all errors here: `code` is stable and meant for programs, `message` for people. */
export abstract class ApnsdError extends Error {
  abstract readonly code: string;
  /** True where the client repeats the call by itself, within its deadline. */
  abstract readonly retriable: boolean;

  constructor(message: string, options?: ErrorOptions) {
    // Not even an empty cause is shown where there is none.
    super(message, options?.cause === undefined ? undefined : options);
    this.name = new.target.name;
  }
}

/** An option is wrong or missing: mend the call of `configure` or `createClient`. */
export class ConfigError extends ApnsdError {
  readonly code = 'CONFIG';
  readonly retriable = false;
}

/** The daemon does not know the app. Healed where `initial` has the app; thrown where it has not. */
export class UnknownAppIdError extends ApnsdError {
  readonly code = 'UNKNOWN_APP_ID';
  readonly retriable = true;
}

/** The daemon knows no app at all: it has just started. Healed like {@link UnknownAppIdError}. */
export class NotConfiguredError extends ApnsdError {
  readonly code = 'NOT_CONFIGURED';
  readonly retriable = true;
}

/** The environment is neither `sandbox` nor `production`. */
export class InvalidEnvironmentError extends ApnsdError {
  readonly code = 'INVALID_ENVIRONMENT';
  readonly retriable = false;
}

/** An argument is wrong; the message names it and says what was expected. */
export class InvalidArgumentError extends ApnsdError {
  readonly code = 'INVALID_ARGUMENT';
  readonly retriable = false;
}

/** The credentials can't be used, or Apple refused them (status 403): mend certificate, key, topic or environment. */
export class CredentialsError extends ApnsdError {
  readonly code = 'CREDENTIALS';
  readonly retriable = false;
}

/** The daemon had no answer from Apple in time. */
export class ApnsUnavailableError extends ApnsdError {
  readonly code = 'APNS_UNAVAILABLE';
  readonly retriable = true;
}

/** The daemon is too busy or shutting down. */
export class OverloadedError extends ApnsdError {
  readonly code = 'OVERLOADED';
  readonly retriable = true;
}

/** The other side does not speak the protocol, or not this method: check that `host` is an apnsd of a fitting version. */
export class ProtocolError extends ApnsdError {
  readonly code = 'PROTOCOL';
  readonly retriable = false;
}

/** The daemon failed inside: its log has more. */
export class DaemonError extends ApnsdError {
  readonly code = 'DAEMON';
  readonly retriable = true;
}

/** The daemon wants another secret: check `user:secret` in `host`. */
export class AuthenticationError extends ApnsdError {
  readonly code = 'AUTHENTICATION';
  readonly retriable = false;
}

/** The daemon can't be reached or does not answer; `cause` tells why. */
export class DaemonUnavailableError extends ApnsdError {
  readonly code = 'DAEMON_UNAVAILABLE';
  readonly retriable = true;
}

/** The call's deadline came first; `cause` is the last attempt's error. The notification may still be sent. */
export class DeadlineError extends ApnsdError {
  readonly code = 'DEADLINE';
  readonly retriable = false;
}

/** The notification's `expiration` has passed, so it is not sent, or not again; an attempt made before it may have reached Apple. */
export class ExpiredError extends ApnsdError {
  readonly code = 'EXPIRED';
  readonly retriable = false;
}

/** Apps of `initial` that could not be provisioned; `failures` has the error of each. */
export class ProvisionError extends ApnsdError {
  readonly code = 'PROVISION';
  readonly retriable = false;
  readonly failures: ReadonlyMap<string, ApnsdError>;

  constructor(failures: ReadonlyMap<string, ApnsdError>) {
    const each = [...failures].map(([appId, error]) => `${appId}: ${error.message}`);
    super(`not provisioned: ${each.join('; ')}`);
    this.failures = failures;
  }
}

/** The client was closed. */
export class ClosedError extends ApnsdError {
  readonly code = 'CLOSED';
  readonly retriable = false;
}
