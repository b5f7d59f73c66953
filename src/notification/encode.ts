/** Writes a payload as JSON text, and refuses what JSON would lose or change in silence. */

/** Far more than any payload needs, and far less than the stack has. */
const maxDepth = 500;

/**
 * A Date is written as ISO text, members that are undefined are left out.
 * @returns '' where something is wrong
 */
export function encodePayload(payload: object, wrong: string[]): string {
  const before = wrong.length;
  try {
    inspect(payload, 'payload', 1, wrong);
    return wrong.length === before ? JSON.stringify(payload) : '';
  } catch (error) {
    // From a getter or a toJSON of the author's, or from maxDepth.
    const [reason] = String(error instanceof Error ? error.message : error).split('\n');
    wrong.push(`payload can't be written as JSON: ${reason}`);
    return '';
  }
}

function inspect(value: unknown, path: string, depth: number, wrong: string[]): void {
  if (isScalar(value)) return;
  if (typeof value !== 'object' || value === null) {
    const what = typeof value === 'number' || value === undefined ? value : `a ${typeof value}`;
    wrong.push(`${path} is ${what}, which JSON does not have`);
  } else if (Object.getPrototypeOf(value) === Object.prototype || Array.isArray(value)) {
    inspectMembers(value, path, depth, wrong);
  } else inspectInstance(value, path, depth, wrong);
}

function isScalar(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'string' || typeof value === 'boolean' || value === null;
}

function inspectMembers(value: object, path: string, depth: number, wrong: string[]): void {
  if (depth > maxDepth) {
    throw new RangeError(`it contains itself, or is nested more than ${maxDepth} deep`);
  }
  if (Array.isArray(value)) {
    // By index, which sees the holes as well.
    for (let at = 0; at < value.length; at += 1) {
      inspect(value[at], `${path}[${at}]`, depth + 1, wrong);
    }
    return;
  }
  for (const name of Object.keys(value)) {
    const member: unknown = value[name as keyof typeof value];
    if (isScalar(member) || member === undefined) continue;
    inspect(member, `${path}.${name}`, depth + 1, wrong);
  }
}

/** An object of a class, without a prototype, or of another realm. */
function inspectInstance(value: object, path: string, depth: number, wrong: string[]): void {
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  // Bytes would be a list of numbers, and Maps, Sets and their like `{}`.
  if (!ArrayBuffer.isView(value) && 'toJSON' in value && typeof value.toJSON === 'function') {
    const written: unknown = value.toJSON();
    if (typeof written === 'object' && written !== null) {
      inspectMembers(written, path, depth, wrong);
    } else if (written === null || !isScalar(written)) {
      const what = kind === 'Date' ? 'an invalid Date' : `an object whose toJSON gives ${written}`;
      wrong.push(`${path} is ${what}, expected a value that JSON has`);
    }
  } else if (kind === 'Object') inspectMembers(value, path, depth, wrong);
  else wrong.push(`${path} is an object of kind ${kind}, which JSON does not have`);
}
