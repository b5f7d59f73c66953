/** How repeats are spaced: later and later up to a limit, and never in step with other processes. */
import type { Options as PRetryOptions } from 'p-retry';
import type { RetryOptions } from './options.js';

type Spacing = Required<RetryOptions>;

/** p-retry's options: no count, since the deadline ends a call. */
export function backoff({ firstDelayMs, factor, maxDelayMs }: Spacing): PRetryOptions {
  return {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: firstDelayMs,
    factor,
    // p-retry cuts its jitter off at the limit, where all processes would knock together: so the limit is jittered.
    maxTimeout: jittered(maxDelayMs),
    randomize: true,
  };
}

/** The pause before repeat `number`, from 1, in milliseconds. */
export function pause({ firstDelayMs, factor, maxDelayMs }: Spacing, number: number): number {
  return jittered(Math.min(firstDelayMs * factor ** (number - 1), maxDelayMs));
}

function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
