/** A daemon's log, kept for a test to read and to wait for. */
import type { Log } from '../../src/daemon/config/json-log.js';

export interface LogBook {
  log: Log;
  events: () => string[];
  /** The fields of each line of one event. */
  of: (event: string) => Record<string, unknown>[];
  /** Resolves once there are so many lines of the event, of one app where it is named. */
  until: (event: string, count?: number, app?: string) => Promise<void>;
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
    until: (event, count = 1, app) =>
      new Promise((resolve) => {
        tell = () => {
          const lines = of(event).filter((line) => app === undefined || line.app === app);
          if (lines.length >= count) resolve();
        };
        tell();
      }),
  };
}
