/** Decrypts what a passphrase protects in .p12 files and PEM keys, by the old ciphers too that OpenSSL 3 has put away. Sources: RFC 7292 (appendix B), RFC 8018. */
import { createDecipheriv, createHash, getCipherInfo } from 'node:crypto';
import { CredentialsError } from '../../errors.js';
import { type Asn1, children, objectId, octets } from './asn1.js';
import { deriveKey } from './key-derivation.js';
import { decryptRc2 } from './rc2.js';

/** OpenSSL and Keychain write 2,048, Firefox 600,000. A thread can't be ended while it is at one key: that takes a second. */
const maxRounds = 1_000_000;
/** In a file. Firefox encrypts certificate and key each by itself. */
const maxRoundsInAll = 2_000_000;

const pbes2 = '1.2.840.113549.1.5.13';
const pbkdf2Id = '1.2.840.113549.1.5.12';

interface Cipher {
  name: string;
  keyLength: number;
}

/** Of PBES2. */
const ciphers: ReadonlyMap<string, Cipher> = new Map([
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyLength: 24 }],
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyLength: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyLength: 24 }],
  ['2.16.840.1.101.3.4.1.42', { name: 'aes-256-cbc', keyLength: 32 }],
]);
const hmacWithSha1 = '1.2.840.113549.2.7';
const digests: ReadonlyMap<string, string> = new Map([
  [hmacWithSha1, 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
]);
/** PKCS#12's own, all with SHA-1. */
const oldCiphers: ReadonlyMap<string, Cipher> = new Map([
  ['1.2.840.113549.1.12.1.3', { name: 'des-ede3-cbc', keyLength: 24 }],
  ['1.2.840.113549.1.12.1.5', { name: 'rc2', keyLength: 16 }],
  ['1.2.840.113549.1.12.1.6', { name: 'rc2', keyLength: 5 }],
]);

/** All that one passphrase opens: the rounds of key derivation are bounded for the whole. */
export class Decryption {
  readonly #subject: string;
  readonly #passphrase: string;
  readonly #signal: AbortSignal | undefined;
  #roundsLeft = maxRoundsInAll;

  /** @param subject what errors call it @param signal ends the derivation of keys */
  constructor(subject: string, passphrase: string, signal?: AbortSignal) {
    this.#subject = subject;
    this.#passphrase = passphrase;
    this.#signal = signal;
  }

  /**
   * @param algorithm an AlgorithmIdentifier
   * @throws CredentialsError for a cipher that is not known and for too many rounds, OverloadedError where no key is
   * derived now, anything else for a wrong passphrase
   */
  async decrypt(algorithm: Asn1 | undefined, encrypted: Buffer): Promise<Buffer> {
    const { id, parameters } = identified(algorithm);
    if (id === pbes2) return this.#decryptPbes2(parameters, encrypted);
    const cipher = oldCiphers.get(id);
    if (!cipher) throw this.#unknown(id);
    const [salt, rounds] = children(parameters);
    const count = this.#take(rounds);
    const derive = (purpose: number, length: number) =>
      this.#deriveOld(octets(salt), count, purpose, length);
    const key = await derive(1, cipher.keyLength);
    const iv = await derive(2, 8);
    if (cipher.name === 'rc2') return decryptRc2(key, iv, encrypted);
    return decipher(cipher.name, key, iv, encrypted);
  }

  async #decryptPbes2(parameters: Asn1 | undefined, encrypted: Buffer): Promise<Buffer> {
    const [derivation, scheme] = children(parameters).map(identified);
    if (derivation?.id !== pbkdf2Id) throw this.#unknown(derivation?.id);
    const cipher = ciphers.get(scheme?.id ?? '');
    if (!cipher) throw this.#unknown(scheme?.id);
    const [salt, rounds, ...optional] = children(derivation.parameters);
    // Before it may stand a length; without it the digest is SHA-1.
    const hmac = optional.find((node) => children(node).length > 0);
    const hmacId = hmac ? identified(hmac).id : hmacWithSha1;
    const digest = digests.get(hmacId);
    if (!digest) throw this.#unknown(hmacId);
    const key = await deriveKey(
      {
        kind: 'pbkdf2',
        passphrase: this.#passphrase,
        salt: octets(salt),
        rounds: this.#take(rounds),
        length: cipher.keyLength,
        digest,
      },
      this.#signal,
    );
    return decipher(cipher.name, key, octets(scheme?.parameters), encrypted);
  }

  #take(rounds: Asn1 | undefined): number {
    const bytes = octets(rounds);
    const count = bytes.length > 4 ? Infinity : bytes.readIntBE(0, bytes.length);
    this.#roundsLeft -= count;
    const limit = count > maxRounds ? maxRounds : maxRoundsInAll;
    if (count < 1 || count > maxRounds || this.#roundsLeft < 0) {
      throw new CredentialsError(
        `${this.#subject} wants more rounds of key derivation than the ${limit} that are granted`,
      );
    }
    return count;
  }

  /** RFC 7292, appendix B.2. */
  async #deriveOld(salt: Buffer, rounds: number, purpose: number, length: number): Promise<Buffer> {
    const diversifier = Buffer.alloc(blockLength, purpose);
    const input = Buffer.concat([
      blocksOf(salt),
      blocksOf(Buffer.from(`${this.#passphrase}\0`, 'utf16le').swap16()),
    ]);
    const derived: Buffer[] = [];
    for (let bytes = 0; bytes < length; bytes += 20) {
      const whole = Buffer.concat([diversifier, input]);
      const hash = await deriveKey({ kind: 'sha1', input: whole, rounds }, this.#signal);
      derived.push(hash);
      const addend = blocksOf(hash).subarray(0, blockLength);
      for (let at = 0; at < input.length; at += blockLength) {
        addOneAnd(addend, input.subarray(at, at + blockLength));
      }
    }
    return Buffer.concat(derived).subarray(0, length);
  }

  #unknown(id: string | undefined): CredentialsError {
    return new CredentialsError(
      `${this.#subject} is encrypted by ${id || 'nothing'}, which is not known here`,
    );
  }
}

/**
 * Of PEM keys with headers of their own. OpenSSL derives the key by MD5 without any rounds.
 * @param info the cipher's name and the start in hex, as in `AES-256-CBC,0123…`
 * @throws Error for a wrong passphrase
 */
export function decryptOldPem(passphrase: string, info: string, encrypted: Buffer): Buffer {
  const [name = '', hex = ''] = info.split(',');
  const iv = Buffer.from(hex, 'hex');
  const cipher = getCipherInfo(name, { ivLength: iv.length });
  if (cipher?.mode !== 'cbc') throw new Error('a cipher that is not known');
  const salted = Buffer.concat([Buffer.from(passphrase), iv.subarray(0, 8)]);
  let key = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (key.length < cipher.keyLength) {
    last = createHash('md5').update(last).update(salted).digest();
    key = Buffer.concat([key, last]);
  }
  return decipher(name, key.subarray(0, cipher.keyLength), iv, encrypted);
}

function identified(node: Asn1 | undefined): { id: string; parameters: Asn1 | undefined } {
  const [id, parameters] = children(node);
  return { id: objectId(id), parameters };
}

function decipher(name: string, key: Buffer, iv: Buffer, encrypted: Buffer): Buffer {
  const cipher = createDecipheriv(name, key, iv);
  return Buffer.concat([cipher.update(encrypted), cipher.final()]);
}

/** What SHA-1 takes in and gives. */
const blockLength = 64;

/** Repeated to fill whole blocks. */
function blocksOf(bytes: Buffer): Buffer {
  return Buffer.alloc(Math.ceil(bytes.length / blockLength) * blockLength, bytes);
}

/** Big-endian, in place; what flows over is dropped. */
function addOneAnd(addend: Buffer, block: Buffer): void {
  let carry = 1;
  for (let at = block.length - 1; at >= 0; at -= 1) {
    carry += block.readUInt8(at) + addend.readUInt8(at);
    block.writeUInt8(carry & 0xff, at);
    carry >>= 8;
  }
}
