/** Credentials that are there to keep the daemon busy, or to fill its memory. */
import { generateKeyPairSync } from 'node:crypto';
import type { CredentialsSource } from '../../src/apns/credentials/credentials.js';
import {
  bitString,
  certificate,
  der,
  encryptedPkcs12,
  explicit,
  extension,
  integer,
  keyBag,
  objectId,
  octetString,
  oldPbe,
  openPkcs12,
  pbes2,
  pem,
  privateKey,
  sequence,
  set,
  utf8String,
} from './der.js';

export interface HostileCredentials {
  name: string;
  source: Omit<CredentialsSource, 'environment' | 'root'>;
  /** What is told of them. */
  says: RegExp;
}

const ids = { keyId: 'ABCDEFGHIJ', teamId: 'ABCDEFGHIJ', topic: 'com.example.app' };
const ones = (bytes: number) => Buffer.alloc(bytes, 0xff);
const times = (piece: Buffer, bytes: number) =>
  Buffer.alloc(Math.floor(bytes / piece.length) * piece.length, piece);

function dsaKey(bytes: number): Buffer {
  const numbers = [ones(bytes), ones(32), Buffer.of(2)].map(integer);
  const algorithm = sequence(objectId('1.2.840.10040.4.1'), sequence(...numbers));
  return privateKey(algorithm, integer(ones(bytes)));
}

const rsaId = sequence(objectId('1.2.840.113549.1.1.1'), der(0x05));
const rsaKey = (bytes: number, exponentBytes: number) =>
  privateKey(
    rsaId,
    sequence(
      ...[Buffer.of(0), ones(bytes), Buffer.of(1, 0, 1), ones(exponentBytes)].map(integer),
      ...Array.from({ length: 5 }, () => integer(ones(exponentBytes))),
    ),
  );

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pairPublic = pair.publicKey.export({ format: 'der', type: 'spki' });
const pairPrivate = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const largeNumber = sequence(rsaId, bitString(sequence(integer(ones(28_000)), integer(3))));

const pointName = sequence(objectId('2.5.4.3'), utf8String('a'));
const point = sequence(explicit(0, explicit(1, pointName)));
const points = extension('2.5.29.31', sequence(times(point, 28_000)));
const certificatePem = (parts: Partial<Parameters<typeof certificate>[0]>) =>
  pem('CERTIFICATE', certificate({ publicKey: pairPublic, ...parts }));

const ecId = '1.2.840.10045.2.1';
const explicitCurve = sequence(
  integer(1),
  sequence(objectId('1.2.840.10045.1.1'), integer(ones(82))),
  sequence(octetString(ones(82)), octetString(ones(82))),
  octetString(Buffer.of(2), ones(82)),
  integer(ones(82)),
);
const ecKey = (...more: Buffer[]) => sequence(integer(1), octetString(ones(32)), ...more);
const p256 = sequence(objectId(ecId), objectId('1.2.840.10045.3.1.7'));
const smallKey = pem(
  'PRIVATE KEY',
  generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }),
);

const tooMuch =
  /^cert holds too much, expected at most 40 certificates and keys of 32768 bytes together$/;
const cantOpen = /can't be opened with this passphrase/;
const passphrase = 'opensesame';

/** What takes no long derivation of a key: all of it is told at once. */
export const quicklyRefused: readonly HostileCredentials[] = [
  ...[5000, 14_000].map((bytes) => ({
    name: `a DSA key of ${bytes} bytes`,
    source: { ...ids, key: pem('PRIVATE KEY', dsaKey(bytes)) },
    says: /^key is of the algorithm 1\.2\.840\.10040\.4\.1, expected RSA or EC$/,
  })),
  {
    name: 'a DSA key beside a certificate',
    source: { cert: certificatePem({}) + pem('PRIVATE KEY', dsaKey(14_000)) },
    says: /^cert's PRIVATE KEY is of the algorithm 1\.2\.840\.10040\.4\.1, /,
  },
  {
    name: 'a DSA key in a .p12',
    source: { cert: openPkcs12(keyBag(dsaKey(14_000))) },
    says: /cert's private key is of the algorithm 1\.2\.840\.10040\.4\.1, /,
  },
  {
    name: 'a DSA key by its old label',
    source: { ...ids, key: pem('DSA PRIVATE KEY', dsaKey(14_000)) },
    says: /^key is of an unknown kind, expected RSA or EC$/,
  },
  {
    name: 'an RSA key of a large modulus',
    source: { ...ids, key: pem('PRIVATE KEY', rsaKey(8192, 10)) },
    says: /^key is an RSA key of numbers over 8192 bits, or of more than two primes$/,
  },
  {
    name: 'an RSA key of large exponents',
    source: { cert: certificatePem({}) + pem('PRIVATE KEY', rsaKey(256, 4000)) },
    says: /is an RSA key of numbers over 8192 bits/,
  },
  {
    name: 'an EC key of a curve of its own',
    source: {
      ...ids,
      key: pem('PRIVATE KEY', privateKey(sequence(objectId(ecId), explicitCurve), ecKey())),
    },
    says: /^key is an EC key whose curve has no name, expected EC P-256$/,
  },
  {
    name: 'an EC key of a curve of its own, within',
    source: {
      ...ids,
      key: pem('PRIVATE KEY', privateKey(p256, ecKey(explicit(0, explicitCurve)))),
    },
    says: /^key is an EC key whose curve has no name/,
  },
  {
    name: 'white space in the place of base64',
    source: { cert: `MI${' '.repeat(100_000)}!` },
    says: /^cert is neither PEM text nor an absolute path$/,
  },
  {
    name: 'headers without end',
    source: { cert: `-----BEGIN PRIVATE KEY-----\n${'a: b\n'.repeat(30_000)}` },
    says: /^cert holds no CERTIFICATE/,
  },
  {
    name: 'blocks that begin and do not end',
    source: { cert: '-----BEGIN PRIVATE KEY-----\n'.repeat(30_000) },
    says: /^cert holds no CERTIFICATE/,
  },
  {
    name: 'blocks without end',
    source: {
      cert: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'.repeat(15_000),
    },
    says: tooMuch,
  },
  {
    name: 'line ends alone',
    source: { cert: `-----BEGIN CERTIFICATE-----${'\n'.repeat(1_000_000)}` },
    says: /^cert holds no CERTIFICATE/,
  },
  {
    name: 'keys without end',
    source: { cert: certificatePem({}) + smallKey.repeat(500) },
    says: tooMuch,
  },
  {
    name: 'a chain without end',
    source: { cert: certificatePem({}).repeat(700) + pairPrivate },
    says: tooMuch,
  },
  {
    name: 'a large certificate',
    source: { cert: certificatePem({ extensions: [times(points, 700_000)] }) + pairPrivate },
    says: tooMuch,
  },
  {
    name: 'a certificate of thousands of names',
    source: {
      cert: certificatePem({ names: [times(set(pointName), 14_000)] }) + pairPrivate,
    },
    says: /the certificate's subject has no UID to take/,
  },
  {
    name: 'a certificate of a public key of 224,000 bits',
    source: { cert: certificatePem({ publicKey: largeNumber }) + pairPrivate },
    says: /the private key does not match/,
  },
  {
    name: 'a .p12 without end',
    source: { cert: Buffer.alloc(1 << 20, Buffer.of(0x30, 0x80)) },
    says: /^cert is neither PEM text nor a \.p12 file of at most 32768 bytes$/,
  },
  {
    name: 'a .p12 of thousands of levels',
    source: { cert: Buffer.alloc(32_000, Buffer.of(0x30, 0x80)) },
    says: /^cert is neither PEM text nor a \.p12 file$/,
  },
  {
    name: 'a .p12 of thousands of keys',
    source: { cert: openPkcs12(times(keyBag(sequence()), 30_000)) },
    says: tooMuch,
  },
  {
    name: 'a .p12 of more rounds than there are',
    source: { cert: encryptedPkcs12(pbes2(0x7fff_ffff), ones(64)), passphrase },
    says: /^cert wants more rounds of key derivation than the 1000000 that are granted$/,
  },
  {
    name: 'a .p12 of much to decrypt by RC2',
    source: { cert: encryptedPkcs12(oldPbe('rc2', 1), ones(30_000)), passphrase },
    says: cantOpen,
  },
  {
    name: 'a .p12 of more to decrypt by RC2 than a certificate has',
    source: { cert: encryptedPkcs12(oldPbe('rc2', 1), ones(700_000)), passphrase },
    says: /^cert is neither PEM text nor a \.p12 file of at most 32768 bytes$/,
  },
  {
    name: 'a passphrase of a mebibyte',
    source: { cert: pairPrivate, passphrase: 'x'.repeat(1 << 20) },
    says: /^passphrase is over 1024 bytes$/,
  },
  {
    name: 'what the system tells of memory',
    source: { cert: '/proc/self/pagemap' },
    says: /^cert \/proc\/self\/pagemap (is over 1048576 bytes|can't be read: \w+)$/,
  },
  {
    name: 'zeros without end',
    source: { cert: '/dev/zero' },
    says: /^cert \/dev\/zero is not a regular file$/,
  },
];

/** A certificate and key that are good, and slow to look at. */
export const slowCertificate = certificatePem({ extensions: [points] }) + pairPrivate;

/** What has a key derived first, for a second and more. */
export const derived: readonly HostileCredentials[] = [
  {
    name: 'a .p12 of 999,999 rounds, in the old way',
    source: { cert: encryptedPkcs12(oldPbe('des', 999_999), ones(64)), passphrase },
    says: cantOpen,
  },
  {
    name: 'a .p12 of 999,999 rounds',
    source: { cert: encryptedPkcs12(pbes2(999_999), ones(64)), passphrase },
    says: cantOpen,
  },
  {
    name: 'a key of 999,999 rounds',
    source: {
      ...ids,
      passphrase,
      key: pem('ENCRYPTED PRIVATE KEY', sequence(pbes2(999_999), octetString(ones(64)))),
    },
    says: /^key can't be opened with this passphrase$/,
  },
];
