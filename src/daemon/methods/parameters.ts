/** Reads a method's parameters: how many, and of which kind. */
import { InvalidArgumentError } from '../../errors.js';
import { excerpt } from '../../rpc/excerpt.js';
import type { Value } from '../../rpc/xml.js';

/**
 * The parameters in the order of their names; absent optional ones are undefined.
 * @throws InvalidArgumentError
 */
export function parameters(
  params: Value[],
  required: string[],
  optional: string[] = [],
): (Value | undefined)[] {
  const most = required.length + optional.length;
  if (params.length >= required.length && params.length <= most) return params;
  const range = optional.length > 0 ? `${required.length} to ${most}` : String(most);
  const named = [...required, ...optional].join(', ');
  throw new InvalidArgumentError(
    `there are ${params.length} parameters, expected ${range}${named && `: ${named}`}`,
  );
}

/**
 * A string, also where the caller's language sent digits as a number or text as base64.
 * @throws InvalidArgumentError
 */
export function asText(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (Number.isInteger(value)) {
    const lost = `${name} came as a number and has lost digits on the way`;
    throw new InvalidArgumentError(`${lost}, expected a string`);
  }
  throw new InvalidArgumentError(`${name} is ${show(value)}, expected a string`);
}

/** A reverse-DNS name takes a third of it; it stands in log lines, in `apnsd.status` and in each lookup. */
const maxAppIdLength = 256;

/**
 * The name under which an app is provisioned.
 * @throws InvalidArgumentError
 */
export function asAppId(value: unknown): string {
  const appId = asText('appId', value);
  if (appId.length >= 1 && appId.length <= maxAppIdLength) return appId;
  throw new InvalidArgumentError(
    `appId is ${show(appId)}, expected 1 to ${maxAppIdLength} characters`,
  );
}

/**
 * A text or bytes; an error does not show what it was.
 * @throws InvalidArgumentError
 */
export function asSecret(name: string, value: unknown): string | Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string' || Number.isSafeInteger(value)) return String(value);
  throw new InvalidArgumentError(`${name} is ${kindOf(value)}, expected a string`);
}

/** The same value with base64 read as text, at any depth: some clients send non-ASCII strings so. */
export function asTexts(value: unknown): unknown {
  if (value instanceof Uint8Array) return asText('base64', value);
  if (Array.isArray(value)) return value.map(asTexts);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const copy: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) copy[name] = asTexts(member);
  return copy;
}

/** A value in an error: strings cut short, structures by their kind. */
export function show(value: unknown): string {
  if (typeof value === 'string') return excerpt(value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a struct' : `a ${typeof value}`;
}
