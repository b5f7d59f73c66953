/** What a request is given beside its method and parameters. */

export interface RequestOptions {
  /** In milliseconds, from when the request is sent. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Receives a cancel function; cheaper than an AbortSignal for each request (0.4 µs a notification). */
  onCancellable?: (cancel: (reason: unknown) => void) => void;
}
