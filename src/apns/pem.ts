/** Reads PEM text: its blocks, and private keys with and without a passphrase. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CredentialsError } from '../errors.js';
import { children, loadForge, octets } from './asn1.js';
import { Decryption } from './decryption.js';

export interface PemBlock {
  label: string;
  text: string;
}

/** An encrypted key has lines such as `Proc-Type: 4,ENCRYPTED` before its base64. */
export function pemBlocks(pem: string): PemBlock[] {
  const blocks = pem.matchAll(
    /-----BEGIN ([A-Z0-9 ]+)-----\r?\n(?:[\w-]+: [^\n]*\n)*[^-]+-----END \1-----/g,
  );
  return [...blocks].map(([text, label = '']) => ({ label, text }));
}

export function isPrivateKey({ label }: PemBlock): boolean {
  return label.endsWith('PRIVATE KEY');
}

/**
 * @param name what errors call it; what node:crypto tells of a text that is no key may quote it, so that stays unsaid
 * @throws CredentialsError
 */
export async function readPrivateKey(
  name: string,
  block: PemBlock,
  passphrase: string | undefined,
): Promise<KeyObject> {
  const isPkcs8 = block.label === 'ENCRYPTED PRIVATE KEY';
  const encrypted = isPkcs8 || block.text.includes(',ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    throw new CredentialsError(`${name} is encrypted, expected its passphrase beside it`);
  }
  try {
    if (!isPkcs8) return createPrivateKey({ key: block.text, passphrase });
    return await decryptKey(name, block, passphrase ?? '');
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    throw new CredentialsError(
      encrypted
        ? `${name} can't be opened with this passphrase`
        : `${name} can't be parsed, expected a private key in PEM`,
    );
  }
}

/** Not by node:crypto: it would go through as many rounds of key derivation as the text asks for. */
async function decryptKey(name: string, block: PemBlock, passphrase: string): Promise<KeyObject> {
  const { asn1 } = await loadForge();
  const der = Buffer.from(block.text.replaceAll(/-----[^-]+-----/g, ''), 'base64');
  const [algorithm, encrypted] = children(asn1.fromDer(der.toString('binary')));
  const decryption = new Decryption(name, passphrase);
  const key = await decryption.decrypt(algorithm, octets(encrypted));
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}
