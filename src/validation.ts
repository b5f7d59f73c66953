/** Reads an object's fields, and says what is wrong with them. */

/** The object, with each unknown field added to what is wrong; undefined where it is none. */
export function object(
  name: string,
  value: unknown,
  fields: readonly string[],
  wrong: string[],
): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    wrong.push(`${name} is ${show(value)}, expected an object of ${fields.join(', ')}`);
    return undefined;
  }
  checkNames(`${name}.`, value, fields, wrong);
  return value as Record<string, unknown>;
}

export function checkNames(
  prefix: string,
  value: object,
  known: readonly string[],
  wrong: string[],
) {
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint = meant ? `did you mean ${prefix}${meant}?` : `expected ${known.join(', ')}`;
    wrong.push(`${prefix}${name} is no option, ${hint}`);
  }
}

/** A number from 1 up to what a timer takes. */
export function number(name: string, value: unknown, fallback: number, wrong: string[]): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value >= 1 && value <= maxTimerMs) return value;
  wrong.push(`${name} is ${show(value)}, expected a number from 1 to ${maxTimerMs}`);
  return fallback;
}

export function boolean(name: string, value: unknown, fallback: boolean, wrong: string[]): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  wrong.push(`${name} is ${show(value)}, expected true or false`);
  return fallback;
}

/** setTimeout takes 31 bits, and fires at once beyond that. */
export const maxTimerMs = 0x7fffffff;

/** A value in an error; never call it with a secret. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 60)}'`;
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** The known name within a third of its letters, in any case; undefined where none is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
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
