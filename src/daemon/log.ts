/** What an operator reads: one JSON line an event, at a bounded rate. */
import type { Log } from '../apns/log.js';

export type { Log };

/** Lines of one event within a second; the rest are counted, and the count goes with the next line. */
const linesASecond = 10;

/** @param write takes a line with its line end */
export function jsonLog(write: (line: string) => void, now: () => number = Date.now): Log {
  const recent = new Map<string, { second: number; lines: number; suppressed: number }>();
  return (event, fields = {}) => {
    const at = now();
    const second = Math.floor(at / 1000);
    let seen = recent.get(event);
    if (!seen) {
      seen = { second, lines: 0, suppressed: 0 };
      recent.set(event, seen);
    }
    if (seen.second !== second) {
      seen.second = second;
      seen.lines = 0;
    }
    seen.lines += 1;
    if (seen.lines > linesASecond) {
      seen.suppressed += 1;
      return;
    }
    const suppressed = seen.suppressed > 0 ? { suppressed: seen.suppressed } : {};
    seen.suppressed = 0;
    const time = new Date(at).toISOString();
    write(`${JSON.stringify({ time, event, ...fields, ...suppressed })}\n`);
  };
}
