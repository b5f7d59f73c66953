/** Decrypts what a passphrase protects in .p12 files and PEM keys, by the old ciphers too that OpenSSL 3 has put away. Sources: RFC 7292 (appendix B), RFC 8018. */
import { createDecipheriv, createHash, pbkdf2 } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CredentialsError } from '../errors.js';
import { type Asn1, children, loadForge, octets } from './asn1.js';

/** OpenSSL and Keychain write 2,048; more than this is somebody who wants to keep us busy. */
const maxRounds = 1_000_000;
/** Rounds between two looks at what else there is to do. */
const roundsAtOnce = 2000;

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
  #roundsLeft = maxRounds;

  /** @param subject what errors call it */
  constructor(subject: string, passphrase: string) {
    this.#subject = subject;
    this.#passphrase = passphrase;
  }

  /**
   * @param algorithm an AlgorithmIdentifier
   * @throws CredentialsError for a cipher that is not known and for too many rounds, anything else for a wrong passphrase
   */
  async decrypt(algorithm: Asn1 | undefined, encrypted: Buffer): Promise<Buffer> {
    const { id, parameters } = await identified(algorithm);
    if (id === pbes2) return this.#decryptPbes2(parameters, encrypted);
    const cipher = oldCiphers.get(id);
    if (!cipher) throw this.#unknown(id);
    const [salt, rounds] = children(parameters);
    const count = this.#take(rounds);
    const derive = (purpose: number, length: number) =>
      deriveOld(this.#passphrase, octets(salt), count, purpose, length);
    const key = await derive(1, cipher.keyLength);
    const iv = await derive(2, 8);
    if (cipher.name === 'rc2') return decryptRc2(key, iv, encrypted);
    return decipher(cipher.name, key, iv, encrypted);
  }

  async #decryptPbes2(parameters: Asn1 | undefined, encrypted: Buffer): Promise<Buffer> {
    const [derivation, scheme] = await Promise.all(children(parameters).map(identified));
    if (derivation?.id !== pbkdf2Id) throw this.#unknown(derivation?.id);
    const cipher = ciphers.get(scheme?.id ?? '');
    if (!cipher) throw this.#unknown(scheme?.id);
    const [salt, rounds, ...optional] = children(derivation.parameters);
    // Before it may stand a length; without it the digest is SHA-1.
    const hmac = optional.find((node) => children(node).length > 0);
    const hmacId = hmac ? (await identified(hmac)).id : hmacWithSha1;
    const digest = digests.get(hmacId);
    if (!digest) throw this.#unknown(hmacId);
    const key = await promisify(pbkdf2)(
      this.#passphrase,
      octets(salt),
      this.#take(rounds),
      cipher.keyLength,
      digest,
    );
    return decipher(cipher.name, key, octets(scheme?.parameters), encrypted);
  }

  #take(rounds: Asn1 | undefined): number {
    const bytes = octets(rounds);
    const count = bytes.length > 4 ? maxRounds + 1 : bytes.readIntBE(0, bytes.length);
    this.#roundsLeft -= count;
    if (count < 1 || this.#roundsLeft < 0) {
      throw new CredentialsError(
        `${this.#subject} wants more rounds of key derivation than the ${maxRounds} that are granted`,
      );
    }
    return count;
  }

  #unknown(id = 'nothing'): CredentialsError {
    return new CredentialsError(`${this.#subject} is encrypted by ${id}, which is not known here`);
  }
}

async function identified(
  node: Asn1 | undefined,
): Promise<{ id: string; parameters: Asn1 | undefined }> {
  const forge = await loadForge();
  const [id, parameters] = children(node);
  return { id: forge.asn1.derToOid(octets(id).toString('binary')), parameters };
}

function decipher(name: string, key: Buffer, iv: Buffer, encrypted: Buffer): Buffer {
  const cipher = createDecipheriv(name, key, iv);
  return Buffer.concat([cipher.update(encrypted), cipher.final()]);
}

async function decryptRc2(key: Buffer, iv: Buffer, encrypted: Buffer): Promise<Buffer> {
  const forge = await loadForge();
  const cipher = forge.rc2.createDecryptionCipher(key.toString('binary'), key.length * 8);
  cipher.start(iv.toString('binary'));
  cipher.update(forge.util.createBuffer(encrypted.toString('binary')));
  if (!cipher.finish()) throw new Error('bad padding');
  return Buffer.from(cipher.output.getBytes(), 'binary');
}

/** What SHA-1 takes in and gives. */
const blockLength = 64;

/** RFC 7292, appendix B.2. */
async function deriveOld(
  passphrase: string,
  salt: Buffer,
  rounds: number,
  purpose: number,
  length: number,
): Promise<Buffer> {
  const diversifier = Buffer.alloc(blockLength, purpose);
  const input = Buffer.concat([
    blocksOf(salt),
    blocksOf(Buffer.from(`${passphrase}\0`, 'utf16le').swap16()),
  ]);
  const derived: Buffer[] = [];
  for (let bytes = 0; bytes < length; bytes += 20) {
    let hash = createHash('sha1').update(diversifier).update(input).digest();
    for (let round = 1; round < rounds; round += 1) {
      hash = createHash('sha1').update(hash).digest();
      if (round % roundsAtOnce === 0) await breathe();
    }
    derived.push(hash);
    const addend = blocksOf(hash).subarray(0, blockLength);
    for (let at = 0; at < input.length; at += blockLength) {
      addOneAnd(addend, input.subarray(at, at + blockLength));
    }
  }
  return Buffer.concat(derived).subarray(0, length);
}

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
