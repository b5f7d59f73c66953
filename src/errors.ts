/** Every error that apnsd throws. `retriable` says whether the same call may succeed later; the client repeats those itself. */

interface ErrorOptions {
  cause?: unknown;
}

/** Under it each class has its name, whatever a minifier calls it, and whichever copy of this module it is of. */
const nameKey = Symbol.for('apnsd.error');

function pinName(errorClass: { prototype: ApnsdError }, name: string): void {
  Object.defineProperty(errorClass, 'name', { value: name });
  Object.defineProperty(errorClass.prototype, nameKey, { value: name });
}

/**
 * The root of all errors here: `code` is stable and meant for programs, `message` for people. `instanceof` takes the
 * errors of another copy of this module too: ESM and CommonJS have one each, bundlers and test runners make more.
 */
export abstract class ApnsdError extends Error {
  static {
    pinName(ApnsdError, 'ApnsdError');
  }
  abstract readonly code: string;
  /** True where the client repeats the call by itself, within its deadline. */
  abstract readonly retriable: boolean;

  constructor(message: string, options?: ErrorOptions) {
    // Not even an empty cause is shown where there is none.
    super(message, options?.cause === undefined ? undefined : options);
    this.name = new.target.name;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the class that is asked is one of the children.
    return isInstance(value, this.prototype);
  }
}

function isInstance(value: unknown, prototype: object): boolean {
  const name = ownName(prototype);
  for (let object = value; isObject(object); object = Object.getPrototypeOf(object)) {
    if (object === prototype || (name !== undefined && ownName(object) === name)) return true;
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function ownName(prototype: object): unknown {
  return Object.getOwnPropertyDescriptor(prototype, nameKey)?.value;
}

/** An option is wrong or missing: mend the call of `configure` or `createClient`. */
export class ConfigError extends ApnsdError {
  static {
    pinName(ConfigError, 'ConfigError');
  }
  readonly code = 'CONFIG';
  readonly retriable = false;
}

/** The daemon does not know the app. Healed where `initial` has the app; thrown where it has not. */
export class UnknownAppIdError extends ApnsdError {
  static {
    pinName(UnknownAppIdError, 'UnknownAppIdError');
  }
  readonly code = 'UNKNOWN_APP_ID';
  readonly retriable = true;
}

/** The daemon knows no app at all: it has just started. Healed like {@link UnknownAppIdError}. */
export class NotConfiguredError extends ApnsdError {
  static {
    pinName(NotConfiguredError, 'NotConfiguredError');
  }
  readonly code = 'NOT_CONFIGURED';
  readonly retriable = true;
}

/** The environment is neither `sandbox` nor `production`. */
export class InvalidEnvironmentError extends ApnsdError {
  static {
    pinName(InvalidEnvironmentError, 'InvalidEnvironmentError');
  }
  readonly code = 'INVALID_ENVIRONMENT';
  readonly retriable = false;
}

/** An argument is wrong; the message names it and says what was expected. */
export class InvalidArgumentError extends ApnsdError {
  static {
    pinName(InvalidArgumentError, 'InvalidArgumentError');
  }
  readonly code = 'INVALID_ARGUMENT';
  readonly retriable = false;
}

/** The credentials can't be used, or Apple refused them (status 403): mend certificate, key, topic or environment. */
export class CredentialsError extends ApnsdError {
  static {
    pinName(CredentialsError, 'CredentialsError');
  }
  readonly code = 'CREDENTIALS';
  readonly retriable = false;
}

/** The daemon had no answer from Apple in time. */
export class ApnsUnavailableError extends ApnsdError {
  static {
    pinName(ApnsUnavailableError, 'ApnsUnavailableError');
  }
  readonly code = 'APNS_UNAVAILABLE';
  readonly retriable = true;
}

/** The daemon is too busy or shutting down. */
export class OverloadedError extends ApnsdError {
  static {
    pinName(OverloadedError, 'OverloadedError');
  }
  readonly code = 'OVERLOADED';
  readonly retriable = true;
}

/** The other side does not speak the protocol, or not this method: check that `host` is an apnsd of a fitting version. */
export class ProtocolError extends ApnsdError {
  static {
    pinName(ProtocolError, 'ProtocolError');
  }
  readonly code = 'PROTOCOL';
  readonly retriable = false;
}

/** The daemon failed inside: its log has more. */
export class DaemonError extends ApnsdError {
  static {
    pinName(DaemonError, 'DaemonError');
  }
  readonly code = 'DAEMON';
  readonly retriable = true;
}

/** The daemon wants another secret: check `user:secret` in `host`. */
export class AuthenticationError extends ApnsdError {
  static {
    pinName(AuthenticationError, 'AuthenticationError');
  }
  readonly code = 'AUTHENTICATION';
  readonly retriable = false;
}

/** The daemon can't be reached or does not answer; `cause` tells why. */
export class DaemonUnavailableError extends ApnsdError {
  static {
    pinName(DaemonUnavailableError, 'DaemonUnavailableError');
  }
  readonly code = 'DAEMON_UNAVAILABLE';
  readonly retriable = true;
}

/** The call's deadline came first; `cause` is the last attempt's error. The notification may still be sent. */
export class DeadlineError extends ApnsdError {
  static {
    pinName(DeadlineError, 'DeadlineError');
  }
  readonly code = 'DEADLINE';
  readonly retriable = false;
}

/** The notification's `expiration` has passed, so it is not sent, or not again; an attempt made before it may have reached Apple. */
export class ExpiredError extends ApnsdError {
  static {
    pinName(ExpiredError, 'ExpiredError');
  }
  readonly code = 'EXPIRED';
  readonly retriable = false;
}

/** Apps of `initial` that could not be provisioned; `failures` has the error of each. */
export class ProvisionError extends ApnsdError {
  static {
    pinName(ProvisionError, 'ProvisionError');
  }
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
  static {
    pinName(ClosedError, 'ClosedError');
  }
  readonly code = 'CLOSED';
  readonly retriable = false;
}
