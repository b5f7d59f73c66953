/** The shapes of the daemon's own methods (`apnsd.…`), as both ends write and read them. */

/** What `apnsd.send` takes as its second parameter, as JSON text. */
export interface SendRequest {
  /** The time that the caller has left, in milliseconds. */
  timeoutMs: number;
  /** {@link PLAINLY_ACCEPTED} stands for answers that say no more: nearly all, and most of the work of reading them. */
  brief?: boolean;
  notifications: SendNotification[];
}

export interface SendNotification {
  payload: Record<string, unknown>;
  pushType?: string;
  topic?: string;
  priority?: number;
  /** UNIX seconds, which may have a fraction, or 0 for "try once, don't store". */
  expiration?: number;
  /** Null: none, ever; absent: the author said nothing. */
  collapseId?: string | null;
  /** The time for this one, in milliseconds, where its caller has less. */
  timeoutMs?: number;
  /** Device token (hex) and apns-id (lower-case UUID) of each receiver. */
  to: [token: string, id: string][];
}

/** One member of the flat array that `apnsd.send` answers as JSON text, in the order of the `to`s. */
export type SendAnswer =
  | { status: 'accepted'; id: string; uniqueId?: string }
  | {
      status: 'rejected';
      id: string;
      reason: string;
      httpStatus: number;
      /** UNIX milliseconds since when the token is dead; with 410 only. */
      unregisteredAt?: number;
    }
  | { status: 'failed'; id: string; code: string; message: string }
  /**
   * Not settled yet, two seconds after the call came at the latest: whoever sends it again, whole, joins it. The message
   * is why it waits, where an attempt has failed.
   */
  | { status: 'pending'; id: string; message?: string };

/** In a brief answer: accepted, and no more to say than whoever asked knows. */
export const PLAINLY_ACCEPTED = 1;

/** As it stands in the answer's text. */
export type WrittenAnswer = SendAnswer | typeof PLAINLY_ACCEPTED;

/** The one parameter of `apnsd.provision`: an entry of `initial`. */
export interface ProvisionRequest {
  appId: string;
  environment: string;
  /** An absolute path on the daemon's machine, PEM text, or the base64 text of a .p12. */
  cert?: string;
  key?: string;
  passphrase?: string;
  keyId?: string;
  teamId?: string;
  topic?: string;
}

export interface ProvisionResult {
  topic: string;
  environment: string;
  /** When the certificate ends, in UNIX milliseconds; absent with a .p8 key. */
  expiresAt?: number;
  warnings: string[];
}

export interface FeedbackResult {
  /** Token and the time since when it is dead, in UNIX milliseconds (a double: XML-RPC's int has 32 bits). */
  entries: { token: string; unregisteredAt: number }[];
  cursor: string;
}
