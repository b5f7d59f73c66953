/** Gets at the contents of credentials: they stand in a file, in a text, or in bytes. */
import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { CredentialsError } from '../../errors.js';
import { decodeBase64 } from './base64.js';
import { readNamedFile } from './named-file.js';
import { type PemBlock, pemBlocks } from './pem.js';
import { Semaphore } from './semaphore.js';

/** Certificates and keys, whatever stood around them. */
export interface Contents {
  /** Of PEM text; undefined for what may be a .p12. */
  blocks: PemBlock[] | undefined;
  /** Of what may be a .p12; empty for PEM text. */
  der: Buffer;
  /** The same for the same contents. */
  digest: Buffer;
}

/** What is longer is no certificate. */
const maxBytes = 1 << 20;
/**
 * Of certificates and keys together: with a chain they are 5 kB. OpenSSL takes some 20 ms for as much that is there to
 * hurt.
 */
const maxDerBytes = 32 << 10;
/** Certificates and keys: each key is tried with each certificate. */
const maxParts = 40;
/** What is longer may be a key: an error would show it. */
const maxPathLength = 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a text with one of them is no path, but may be a secret.
const control = /[\0-\x1f\x7f]/;

/** Of the pool's four threads one is left to look up names, however slow a disk is; and of files a few are in memory. */
const reading = new Semaphore(3);

/**
 * An absolute path's file, a PEM text, or the base64 text of a .p12; an error never tells what they hold.
 *
 * @param name what errors call it
 * @param root the folder that a file must be in
 * @throws CredentialsError
 */
export function readContents(
  name: string,
  value: string | Uint8Array,
  root?: string,
): Promise<Contents> {
  return reading.run(async () => partsOf(name, await bytesOf(name, value, root)));
}

async function bytesOf(name: string, value: string | Uint8Array, root?: string): Promise<Buffer> {
  if (value.length > maxBytes) throw new CredentialsError(`${name} is over ${maxBytes} bytes`);
  const bytes = Buffer.from(value);
  if (isPem(bytes) || (typeof value !== 'string' && isDer(bytes))) return bytes;
  // Some languages send a text that is not ASCII as bytes.
  const text = bytes.toString('utf8');
  const path = pathOf(text);
  if (path !== undefined) return readNamedFile(name, path, { maxBytes, root });
  const pkcs12 = decodeBase64(text);
  if (pkcs12 && isDer(pkcs12)) return pkcs12;
  throw new CredentialsError(`${name} is neither PEM text nor an absolute path`);
}

function partsOf(name: string, bytes: Buffer): Contents {
  const digest = createHash('sha256').update(bytes).digest();
  if (!isPem(bytes)) {
    if (bytes.length <= maxDerBytes) return { blocks: undefined, der: bytes, digest };
    throw new CredentialsError(
      `${name} is neither PEM text nor a .p12 file of at most ${maxDerBytes} bytes`,
    );
  }
  const blocks: PemBlock[] = [];
  let length = 0;
  for (const block of pemBlocks(bytes.toString('utf8'))) {
    length += block.der?.length ?? 0;
    blocks.push(block);
    checkSize(name, blocks.length, length);
  }
  return { blocks, der: Buffer.alloc(0), digest };
}

/**
 * @param parts how many certificates and keys
 * @param bytes of all of them
 * @throws CredentialsError
 */
export function checkSize(name: string, parts: number, bytes: number): void {
  if (parts <= maxParts && bytes <= maxDerBytes) return;
  throw new CredentialsError(
    `${name} holds too much, expected at most ${maxParts} certificates and keys of ${maxDerBytes} bytes together`,
  );
}

/** The path, where the value is one. */
export function pathOf(value: string | Uint8Array): string | undefined {
  if (value.length > maxPathLength) return undefined;
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
  return isAbsolute(text) && !control.test(text) ? text : undefined;
}

function isPem(contents: Buffer): boolean {
  return contents.includes('-----BEGIN ');
}

function isDer(contents: Buffer): boolean {
  return contents[0] === 0x30;
}
