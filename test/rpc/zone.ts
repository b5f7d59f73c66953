/** The time zone of one test: Node reads `TZ` anew whenever it is set. */

export function setZone(t: { after(restore: () => void): void }, zone: string): void {
  const before = process.env.TZ;
  t.after(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  process.env.TZ = zone;
}

/** Not UTC, and each local time is one moment: it has had no summer time since 1951. */
export const steadyZone = 'Asia/Tokyo';
