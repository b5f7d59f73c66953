/** What an app may configure. */
import type { Listeners } from './events.js';

export interface Options {
  /**
   * The daemon: `http://[user:secret@]host:port/`, `https://…` (see `tls`) or `unix:/path.sock`.
   * @default 'http://127.0.0.1:7077/'
   */
  host?: string;
  /** The apps to provision; empty where the daemon's own `--config` has them. @default [] */
  initial?: readonly App[];
  /** The app of calls that name none. @default the only entry of `initial` */
  defaultAppId?: string;
  /** One XML-RPC attempt, in milliseconds. @default 15,000 */
  timeoutMs?: number;
  /** A whole call with all its repeats, in milliseconds. @default 60,000 */
  deadlineMs?: number;
  /** How repeats are spaced within the deadline. */
  retry?: RetryOptions;
  /** Calls that may be pending at once; those beyond it are refused with OverloadedError. @default 100,000 */
  maxPending?: number;
  /**
   * Whether the repeat of an alert replaces it on the device: its id is the collapse id too, where the notification
   * has none. @default true
   */
  collapseRepeats?: boolean;
  /** The longest answer of the daemon that is read, in bytes; a longer one is a DaemonUnavailableError. @default 67,108,864 */
  maxAnswerBytes?: number;
  /** For an `https://` host. */
  tls?: TlsOptions;
  /**
   * Listeners by event. As with every option, those of the latest `configure` count: where a module that configures is
   * loaded again, as by a framework's reload, they don't add up as those of `client.on` do. @default {}
   */
  on?: Listeners;
}

/** An app, by its certificate or by a .p8 key. */
export type App = CertificateApp | KeyApp;

interface AnyApp {
  appId: string;
  environment: 'sandbox' | 'production';
  /** Opens a .p12 file or an encrypted key. */
  passphrase?: string;
}

export interface CertificateApp extends AnyApp {
  /** Certificate and key, as PEM text or as a .p12: an absolute path on the daemon's machine, the text (base64 of a .p12), or a Buffer. */
  cert: string | Buffer;
  /** @default the UID of the certificate's subject */
  topic?: string;
}

export interface KeyApp extends AnyApp {
  /** The .p8 key: an absolute path on the daemon's machine, PEM text, or a Buffer of it. */
  key: string | Buffer;
  keyId: string;
  teamId: string;
  topic: string;
}

export interface RetryOptions {
  /** @default 100 */
  firstDelayMs?: number;
  /** @default 2 */
  factor?: number;
  /** @default 2,000 */
  maxDelayMs?: number;
}

export interface TlsOptions {
  /** Certificate authorities in place of Node's own, PEM. */
  ca?: string | Buffer;
  /** The client's certificate and key, PEM. */
  cert?: string | Buffer;
  key?: string | Buffer;
}
