/** Gets at the contents of credentials: they stand in a file, in a text, or in bytes. */
import { isAbsolute } from 'node:path';
import { CredentialsError } from '../errors.js';
import { readNamedFile } from './named-file.js';

/** What is longer is no certificate. */
const maxBytes = 1 << 20;
/** What is longer may be a key: an error would show it. */
const maxPathLength = 1024;
/** Of a .p12: DER's first two bytes make the first two characters, so that no path looks like it. */
const base64 = /^\s*MI[A-Za-z0-9+/\s]+={0,2}\s*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a text with one of them is no path, but may be a secret.
const control = /[\0-\x1f\x7f]/;

/**
 * An absolute path's file, a PEM text, or the base64 text of a .p12; an error never tells what they hold.
 *
 * @param name what errors call it
 * @param root the folder that a file must be in
 * @throws CredentialsError
 */
export async function readContents(
  name: string,
  value: string | Uint8Array,
  root?: string,
): Promise<Buffer> {
  if (value.length > maxBytes) throw new CredentialsError(`${name} is over ${maxBytes} bytes`);
  const bytes = Buffer.from(value);
  if (isPem(bytes) || (typeof value !== 'string' && isDer(bytes))) return bytes;
  // Some languages send a text that is not ASCII as bytes.
  const text = bytes.toString('utf8');
  const path = pathOf(text);
  if (path !== undefined) return readNamedFile(name, path, { maxBytes, root });
  if (base64.test(text)) return Buffer.from(text, 'base64');
  throw new CredentialsError(`${name} is neither PEM text nor an absolute path`);
}

/** The path, where the value is one. */
export function pathOf(value: string | Uint8Array): string | undefined {
  if (value.length > maxPathLength) return undefined;
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
  return isAbsolute(text) && !control.test(text) ? text : undefined;
}

export function isPem(contents: Buffer): boolean {
  return contents.includes('-----BEGIN ');
}

function isDer(contents: Buffer): boolean {
  return contents[0] === 0x30;
}
