export { type CallOptions, Client, createClient } from './client/api/client.js';
export { configure, feedback, notify, notifyMany } from './client/api/default-client.js';
export type { ClientEvents, Listeners } from './client/api/events.js';
export type {
  App,
  CertificateApp,
  KeyApp,
  Options,
  RetryOptions,
  TlsOptions,
} from './client/api/options.js';
export type {
  AcceptedReceipt,
  Receipt,
  RejectedReceipt,
  SubmittedReceipt,
} from './client/api/receipt.js';
export type { DeadToken } from './client/feedback.js';
export type { AnyIterable, FailedOutcome, Outcome } from './client/notify-many.js';
export {
  ApnsdError,
  ApnsUnavailableError,
  AuthenticationError,
  ClosedError,
  ConfigError,
  CredentialsError,
  DaemonError,
  DaemonUnavailableError,
  DeadlineError,
  ExpiredError,
  InvalidArgumentError,
  InvalidEnvironmentError,
  NotConfiguredError,
  OverloadedError,
  ProtocolError,
  ProvisionError,
  UnknownAppIdError,
} from './errors.js';
export type { Alert, Aps, BackgroundAps, LiveActivityAps, Sound } from './notification/aps.js';
export type { Notification, Payload } from './notification/notification.js';
export type { PushType } from './notification/push-type.js';
