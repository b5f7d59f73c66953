/** The numbers of the sender: what bounds it, and how long it waits for what. Tests inject small ones. */

export interface Limits {
  maxConnections: number;
  maxStreams: number;
  maxWaiting: number;
  maxWaitingBytes: number;
  maxRefusals: number;
  maxResponseBytes: number;
  maxWriteBytes: number;
  lastStreamId: number;
  connectTimeoutMs: number;
  pingAfterMs: number;
  pingTimeoutMs: number;
  stallMs: number;
  growAfterMs: number;
  spareAfterMs: number;
  closeTimeoutMs: number;
  backoff: { firstMs: number; factor: number; maxMs: number };
  tickMs: number;
  logEveryMs: number;
  remindEveryMs: number;
  /** Jitter of the back-off, 0 to 1. */
  random: () => number;
}

export const defaultLimits: Limits = {
  /** What a core can feed, about 80,000/s, at 10,000/s for each: 1,000 streams of 100 ms. */
  maxConnections: 8,
  /** A gateway that names no limit, or a huge one, would have us lose too much with one connection. */
  maxStreams: 4_000,
  /** Requests; as many as a client may have pending. */
  maxWaiting: 100_000,
  /** Of bodies, a byte for each character; 15,000 full payloads. */
  maxWaitingBytes: 64 * 1024 * 1024,
  /** REFUSED_STREAM for one request, before it is handed back as unsent: the caller backs off, we don't. */
  maxRefusals: 3,
  /** Of an answer's body; Apple's to a notification are under 200. Of a longer one only the status counts. */
  maxResponseBytes: 4 * 1024,
  /** Bytes made in one tick for one connection: enough for 1,000 usual requests, less than a socket's buffer. */
  maxWriteBytes: 256 * 1024,
  /** Stream ids end at 2 ** 31 - 1; the margin is for what is in the making. */
  lastStreamId: 2 ** 31 - 1 - 2 ** 16,
  /** Milliseconds from the first SYN to the gateway's SETTINGS. */
  connectTimeoutMs: 10_000,
  /** Milliseconds of silence; less than what firewalls forgive, and not so often that Apple minds. */
  pingAfterMs: 60_000,
  /** Milliseconds; ten times a bad round trip. */
  pingTimeoutMs: 10_000,
  /** Milliseconds without any answer while requests wait; less than the 15 s a call of the client takes. */
  stallMs: 10_000,
  /** Milliseconds for which requests must have waited behind full connections: a burst alone opens none. */
  growAfterMs: 100,
  /** Milliseconds; long, as opening and closing often looks like an attack to Apple. */
  spareAfterMs: 15 * 60_000,
  /** Milliseconds for the last bytes of a connection to leave before it is cut. */
  closeTimeoutMs: 1_000,
  /** The first try after a connection that worked is immediate; a caller's deadline of 15 s sees several tries. */
  backoff: { firstMs: 100, factor: 2, maxMs: 10_000 },
  /** Milliseconds by which an outcome at the deadline may be late. */
  tickMs: 20,
  /** Milliseconds between two lines of the same event. */
  logEveryMs: 10_000,
  /** Milliseconds between two lines that say the same gateway still can't be reached. */
  remindEveryMs: 60_000,
  random: Math.random,
};
