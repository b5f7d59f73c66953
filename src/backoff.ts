/** How repeats are spaced: later and later up to a limit, and never in step with other processes. */
import type { Options as PRetryOptions } from 'p-retry';
import type { RetryOptions } from './client/api/options.js';

type Spacing = Required<RetryOptions>;

/** p-retry's options after some failures: no count, since the deadline ends a call. */
export function backoff(spacing: Spacing, failures: number): PRetryOptions {
  return {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: step(spacing, failures + 1),
    factor: spacing.factor,
    // p-retry cuts its jitter off at the limit, where all processes would knock together: so the limit is jittered.
    maxTimeout: jittered(spacing.maxDelayMs),
    randomize: true,
  };
}

/** The pause before repeat `number`, from 1, in milliseconds. */
export function pause(spacing: Spacing, number: number): number {
  return jittered(step(spacing, number));
}

function step({ firstDelayMs, factor, maxDelayMs }: Spacing, number: number): number {
  return Math.min(firstDelayMs * factor ** (number - 1), maxDelayMs);
}

function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}
