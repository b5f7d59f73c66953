/** What a request is given beside its method and parameters. */

export interface RequestOptions {
  /** In milliseconds, from when the request leaves. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Is given what ends it, as a signal would: of one for each request the making shows in what a notification costs. */
  begun?: (giveUp: (reason: unknown) => void) => void;
}
