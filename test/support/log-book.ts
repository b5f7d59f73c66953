/** A daemon's log, kept for a test to read and to wait for. */
import type { Log } from '../../src/daemon/log.js';

export interface LogBook {
  log: Log;
  events: () => string[];
  /** The fields of each line of one event. */
  of: (event: string) => Record<string, unknown>[];
  /** Resolves once there are so many lines of the event. */
  until: (event: string, count?: number) => Promise<void>;
}

export function logBook(): LogBook {
  const lines: { event: string; fields: Record<string, unknown> }[] = [];
  let tell = () => {};
  const of = (event: string) =>
    lines.filter((line) => line.event === event).map((line) => line.fields);
  return {
    log: (event, fields = {}) => {
      lines.push({ event, fields });
      tell();
    },
    events: () => lines.map(({ event }) => event),
    of,
    until: (event, count = 1) =>
      new Promise((resolve) => {
        tell = () => {
          if (of(event).length >= count) resolve();
        };
        tell();
      }),
  };
}
