/** Writes a payload as JSON text, and refuses what JSON would lose or change in silence. */

/** Far more than any payload needs, and far less than the stack has. */
const maxDepth = 500;

/**
 * A Date is written as ISO text, members that are undefined are left out.
 * @returns '' where something is wrong
 */
export function encodePayload(payload: object, wrong: string[]): string {
  const found: string[] = [];
  try {
    inspect(payload, 1, found);
    if (found.length === 0) return JSON.stringify(payload);
  } catch (error) {
    // From a getter or a toJSON of the author's, or from maxDepth.
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    found.push(` can't be written as JSON: ${reason}`);
  }
  for (const what of found) wrong.push(`payload${what}`);
  return '';
}

/** Adds what is wrong with a value: what to say behind its name. */
function inspect(value: unknown, depth: number, wrong: string[]): void {
  if (isScalar(value)) return;
  if (typeof value !== 'object' || value === null) {
    const what = typeof value === 'number' || value === undefined ? value : `a ${typeof value}`;
    wrong.push(` is ${what}, which JSON does not have`);
  } else if (Object.getPrototypeOf(value) === Object.prototype || Array.isArray(value)) {
    inspectMembers(value, depth, wrong);
  } else inspectInstance(value, depth, wrong);
}

/** The way to what is wrong is written on the way back from it: nearly always nothing is. */
function inspectMember(
  value: unknown,
  name: string | number,
  depth: number,
  wrong: string[],
): void {
  let at = wrong.length;
  inspect(value, depth, wrong);
  for (; at < wrong.length; at += 1) {
    const step = typeof name === 'number' ? `[${name}]` : `.${name}`;
    wrong[at] = `${step}${wrong[at]}`;
  }
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'string' || typeof value === 'boolean' || value === null;
}

function inspectMembers(value: object, depth: number, wrong: string[]): void {
  if (depth > maxDepth) {
    throw new RangeError(`it contains itself, or is nested more than ${maxDepth} deep`);
  }
  if (Array.isArray(value)) {
    // By index, which sees the holes as well.
    for (let at = 0; at < value.length; at += 1) inspectMember(value[at], at, depth + 1, wrong);
    return;
  }
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    const member: unknown = value[name as keyof typeof value];
    if (isScalar(member) || member === undefined) continue;
    inspectMember(member, name, depth + 1, wrong);
  }
}

/** An object of a class, without a prototype, or of another realm. */
function inspectInstance(value: object, depth: number, wrong: string[]): void {
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  // Bytes would be a list of numbers, and Maps, Sets and their like `{}`.
  if (!ArrayBuffer.isView(value) && 'toJSON' in value && typeof value.toJSON === 'function') {
    const written: unknown = value.toJSON();
    if (typeof written === 'object' && written !== null) {
      inspectMembers(written, depth, wrong);
    } else if (written === null || !isScalar(written)) {
      const what = kind === 'Date' ? 'an invalid Date' : `an object whose toJSON gives ${written}`;
      wrong.push(` is ${what}, expected a value that JSON has`);
    }
  } else if (kind === 'Object') inspectMembers(value, depth, wrong);
  else wrong.push(` is an object of kind ${kind}, which JSON does not have`);
}
