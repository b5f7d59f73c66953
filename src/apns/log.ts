/** Logs at a bounded rate: a night of reconnecting must not fill a disk. */

/** Takes a line's event and its fields; never a secret, never a whole token. */
export type Log = (event: string, fields?: Record<string, unknown>) => void;

/** At most one line an event in `everyMs`; the next one says how many were left out. */
export function boundedLog(log: Log, everyMs: number): Log {
  const lines = new Map<string, { at: number; leftOut: number }>();
  return (event, fields = {}) => {
    const now = performance.now();
    const line = lines.get(event);
    if (line && now - line.at < everyMs) {
      line.leftOut += 1;
      return;
    }
    lines.set(event, { at: now, leftOut: 0 });
    log(event, line?.leftOut ? { ...fields, leftOut: line.leftOut } : fields);
  };
}
