/** Logs at a bounded rate: a night of reconnecting must not fill a disk. */

/** Takes a line's event and its fields; never a secret, never a whole token. */
export type Log = (event: string, fields?: Record<string, unknown>) => void;

/** `everyMs` where a line has a bound of its own. True: the line was written. */
export type BoundedLog = (
  event: string,
  fields?: Record<string, unknown>,
  everyMs?: number,
) => boolean;

/** At most one line an event in `everyMs`; the next one says how many were left out. */
export function boundedLog(log: Log, everyMs: number): BoundedLog {
  const lines = new Map<string, { at: number; leftOut: number }>();
  return (event, fields = {}, ownMs = everyMs) => {
    const now = performance.now();
    const line = lines.get(event);
    if (line && now - line.at < ownMs) {
      line.leftOut += 1;
      return false;
    }
    lines.set(event, { at: now, leftOut: 0 });
    log(event, line?.leftOut ? { ...fields, leftOut: line.leftOut } : fields);
    return true;
  };
}
