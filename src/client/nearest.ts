/** Finds the name that a mistyped one was meant to be. */

/** The known name within a third of its letters, in any case; undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(name.toLowerCase(), candidate.toLowerCase()),
  }));
  const best = distances.sort((one, other) => one.distance - other.distance)[0];
  return best && best.distance <= best.candidate.length / 3 + 1 ? best.candidate : undefined;
}

function editDistance(from: string, to: string): number {
  let row = [...to, ''].map((_, column) => column);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (const [column, other] of [...to].entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
