/** Values in an error. */

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}

/** A UUID is shown whole, a device token is not. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return typeof value === 'object' || typeof value === 'function' ? kindOf(value) : String(value);
}
