/** Writes ASN.1 in DER, right and wrong: what no tool would write, too. */

export function der(tag: number, ...contents: Buffer[]): Buffer {
  const whole = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthOf(whole.length), whole]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
}

export const sequence = (...members: Buffer[]) => der(0x30, ...members);
export const set = (...members: Buffer[]) => der(0x31, ...members);
export const octetString = (...contents: Buffer[]) => der(0x04, ...contents);
export const bitString = (contents: Buffer) => der(0x03, Buffer.of(0), contents);
export const utf8String = (text: string) => der(0x0c, Buffer.from(text));
/** Behind a tag of the context's own. */
export const explicit = (number: number, ...contents: Buffer[]) => der(0xa0 | number, ...contents);

/** @param value a number, or its bytes */
export function integer(value: number | Buffer): Buffer {
  if (typeof value !== 'number') {
    return der(0x02, (value[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), value]) : value);
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return integer(bytes.subarray(bytes.findIndex((byte, at) => byte !== 0 || at === 3)));
}

/** @param dotted as in `1.2.840` */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, ...[first * 40 + second, ...rest].map(base128));
}

function base128(value: number): Buffer {
  const bytes = [value & 0x7f];
  for (let left = value >>> 7; left > 0; left >>>= 7) bytes.unshift(0x80 | (left & 0x7f));
  return Buffer.from(bytes);
}

export function pem(label: string, contents: Buffer): string {
  return `-----BEGIN ${label}-----\n${contents.toString('base64')}\n-----END ${label}-----\n`;
}

export interface CertificateParts {
  /** Of what its names are made. */
  names?: Buffer[];
  notBefore?: Buffer;
  notAfter?: Buffer;
  /** SubjectPublicKeyInfo. */
  publicKey: Buffer;
  extensions?: Buffer[];
}

export const utcTime = (text: string) => der(0x17, Buffer.from(text));
export const generalizedTime = (text: string) => der(0x18, Buffer.from(text));

const sha256WithRsa = sequence(objectId('1.2.840.113549.1.1.11'), der(0x05));

/** With a signature of zeros. */
export function certificate(parts: CertificateParts): Buffer {
  const { notBefore = utcTime('200101000000Z'), notAfter = utcTime('490101000000Z') } = parts;
  const name = sequence(...(parts.names ?? [uid('com.example.app')]));
  const extensions = parts.extensions ? [explicit(3, sequence(...parts.extensions))] : [];
  const signed = sequence(
    explicit(0, integer(2)),
    integer(1),
    sha256WithRsa,
    name,
    sequence(notBefore, notAfter),
    name,
    parts.publicKey,
    ...extensions,
  );
  return sequence(signed, sha256WithRsa, bitString(Buffer.alloc(256)));
}

/** A part of a name. */
export function uid(text: string): Buffer {
  return set(sequence(objectId('0.9.2342.19200300.100.1.1'), utf8String(text)));
}

export function extension(id: string, contents: Buffer): Buffer {
  return sequence(objectId(id), octetString(contents));
}

/** PKCS#8. */
export function privateKey(algorithm: Buffer, key: Buffer): Buffer {
  return sequence(integer(0), algorithm, octetString(key));
}

const data = objectId('1.2.840.113549.1.7.1');

/** A .p12 whose one content is encrypted. */
export function encryptedPkcs12(algorithm: Buffer, encrypted: Buffer): Buffer {
  const content = sequence(data, algorithm, der(0x80, encrypted));
  return pkcs12(
    sequence(objectId('1.2.840.113549.1.7.6'), explicit(0, sequence(integer(0), content))),
  );
}

/** A .p12 of bags that are not encrypted. */
export function openPkcs12(...bags: Buffer[]): Buffer {
  return pkcs12(sequence(data, explicit(0, octetString(sequence(...bags)))));
}

export function keyBag(key: Buffer): Buffer {
  return sequence(objectId('1.2.840.113549.1.12.10.1.1'), explicit(0, key));
}

function pkcs12(...contents: Buffer[]): Buffer {
  const safe = sequence(...contents);
  return sequence(integer(3), sequence(data, explicit(0, octetString(safe))));
}

/** PBES2 with PBKDF2 by HMAC-SHA-512 and AES-256. */
export function pbes2(rounds: number): Buffer {
  const hmac = sequence(objectId('1.2.840.113549.2.11'));
  const derivation = sequence(octetString(Buffer.alloc(8)), integer(rounds), hmac);
  return sequence(
    objectId('1.2.840.113549.1.5.13'),
    sequence(
      sequence(objectId('1.2.840.113549.1.5.12'), derivation),
      sequence(objectId('2.16.840.1.101.3.4.1.42'), octetString(Buffer.alloc(16))),
    ),
  );
}

/** PKCS#12's own, with triple DES or RC2. */
export function oldPbe(cipher: 'des' | 'rc2', rounds: number): Buffer {
  const id = `1.2.840.113549.1.12.1.${cipher === 'des' ? 3 : 6}`;
  return sequence(objectId(id), sequence(octetString(Buffer.alloc(8)), integer(rounds)));
}
