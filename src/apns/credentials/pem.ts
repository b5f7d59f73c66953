/** Reads PEM text: its blocks, and private keys with and without a passphrase. */
import type { KeyObject } from 'node:crypto';
import { ApnsdError, CredentialsError } from '../../errors.js';
import { children, octets, readAsn1 } from './asn1.js';
import { decodeBase64 } from './base64.js';
import { Decryption, decryptOldPem } from './decryption.js';
import { type PrivateKeyForm, privateKeyFrom } from './private-key.js';

export interface PemBlock {
  label: string;
  /** Lines such as `Proc-Type: 4,ENCRYPTED` before the base64 of an encrypted key. */
  headers: ReadonlyMap<string, string>;
  /** Undefined where it is no base64. */
  der: Buffer | undefined;
}

// Bounded, so that no text makes it look at anything twice.
const marker = /-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----/g;
const header = /^([\w-]+): (.*)$/;

/** Certificates and private keys, in their order; text around them, and other blocks, are passed over. */
export function* pemBlocks(pem: string): Generator<PemBlock> {
  let open: { label: string; from: number } | undefined;
  for (const { 0: found, 1: kind, 2: label = '', index } of pem.matchAll(marker)) {
    if (kind === 'BEGIN') {
      open = { label, from: index + found.length };
    } else {
      const isWanted = label === 'CERTIFICATE' || isKeyLabel(label);
      if (isWanted && open?.label === label) yield blockOf(label, pem.slice(open.from, index));
      open = undefined;
    }
  }
}

function blockOf(label: string, text: string): PemBlock {
  const lines = text.trim().split('\n');
  const headers = new Map<string, string>();
  let next = 0;
  for (; next < lines.length; next += 1) {
    const [found, name = '', value = ''] = header.exec(lines[next]?.trimEnd() ?? '') ?? [];
    if (found === undefined) break;
    headers.set(copied(name), copied(value));
  }
  return { label: copied(label), headers, der: decodeBase64(lines.slice(next).join('\n')) };
}

/** A piece of a text would keep all of it in memory. */
function copied(piece: string): string {
  return Buffer.from(piece).toString();
}

export function isPrivateKey({ label }: PemBlock): boolean {
  return isKeyLabel(label);
}

function isKeyLabel(label: string): boolean {
  return label.endsWith('PRIVATE KEY');
}

const encryptedPkcs8 = 'ENCRYPTED PRIVATE KEY';
const forms: ReadonlyMap<string, PrivateKeyForm> = new Map([
  ['PRIVATE KEY', 'pkcs8'],
  [encryptedPkcs8, 'pkcs8'],
  ['RSA PRIVATE KEY', 'pkcs1'],
  ['EC PRIVATE KEY', 'sec1'],
]);

/**
 * @param name what errors call it; what node:crypto tells of a text that is no key may quote it, so that stays unsaid
 * @param signal ends the waiting for a key derived from the passphrase
 * @throws CredentialsError, or OverloadedError where too many wait for that already
 */
export async function readPrivateKey(
  name: string,
  block: PemBlock,
  passphrase: string | undefined,
  signal?: AbortSignal,
): Promise<KeyObject> {
  const form = forms.get(block.label);
  if (!form) throw new CredentialsError(`${name} is of an unknown kind, expected RSA or EC`);
  const encrypted =
    block.label === encryptedPkcs8 || block.headers.get('Proc-Type')?.endsWith(',ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    throw new CredentialsError(`${name} is encrypted, expected its passphrase beside it`);
  }
  try {
    const { der = Buffer.alloc(0) } = block;
    if (!encrypted) return privateKeyFrom(name, der, form);
    return privateKeyFrom(name, await decrypted(name, block, passphrase ?? '', signal), form);
  } catch (error) {
    if (error instanceof ApnsdError) throw error;
    throw new CredentialsError(
      encrypted
        ? `${name} can't be opened with this passphrase`
        : `${name} can't be parsed, expected a private key in PEM`,
    );
  }
}

/** Not by node:crypto: it would go through as many rounds of key derivation as the text asks for. */
async function decrypted(
  name: string,
  { label, headers, der = Buffer.alloc(0) }: PemBlock,
  passphrase: string,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  if (label !== encryptedPkcs8)
    return decryptOldPem(passphrase, headers.get('DEK-Info') ?? '', der);
  const [algorithm, encrypted] = children(readAsn1(der));
  return new Decryption(name, passphrase, signal).decrypt(algorithm, octets(encrypted));
}
