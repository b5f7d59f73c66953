/** Until when a notification is worth sending. */
import { ExpiredError } from '../errors.js';
import { show } from './show.js';

/** UNIX seconds, with the Date's milliseconds as their fraction; 0 is "try once, don't store". */
export function readExpiration(expiration: unknown, wrong: string[]): number | undefined {
  if (expiration === undefined || expiration === 0) return expiration;
  if (expiration instanceof Date && !Number.isNaN(expiration.getTime())) {
    // The first millisecond of 1970 has passed as well, and must not become the 0 that means something else.
    return (expiration.getTime() || 1) / 1000;
  }
  const shown = expiration instanceof Date ? 'an invalid Date' : show(expiration);
  wrong.push(`expiration is ${shown}, expected a Date, or 0 for "try once, don't store"`);
  return undefined;
}

/** Why a notification must not be sent any more; undefined while it may. */
export function expired(expiration: number | undefined): ExpiredError | undefined {
  // Date.now is asked only where there is a Date: most notifications have none.
  if (expiration === undefined || expiration === 0) return undefined;
  const at = Math.round(expiration * 1000);
  if (at > Date.now()) return undefined;
  return new ExpiredError(
    `expiration is ${new Date(at).toISOString()}, expected a time that has not passed`,
  );
}
