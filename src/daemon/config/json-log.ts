/** What an operator reads: one JSON line an event, at a bounded rate. */
import type { Log } from '../../log.js';
import { UNSAFE } from '../../rpc/excerpt.js';

export type { Log };

/** Lines of one event within a second; the rest are counted, and the count goes with the next line. */
const linesASecond = 10;
/** A field's text is cut to it: room for a stack, and for all reasons against some twenty apps. */
const maxCharacters = 4096;

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
    write(`${logText({ time, event, ...fields, ...suppressed })}\n`);
  };
}

/** JSON in which whatever a terminal would obey, direction marks too, is written out: the values stay as they are. */
export function logText(fields: Record<string, unknown>): string {
  return JSON.stringify(fields, cut).replace(UNSAFE, writtenOut);
}

function cut(_name: string, value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= maxCharacters) return value;
  return `${value.slice(0, maxCharacters)}... (${value.length} characters)`;
}

function writtenOut(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
