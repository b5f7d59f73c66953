import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import forge from 'node-forge';
import {
  type CredentialsSource,
  readCredentials,
} from '../../../src/apns/credentials/credentials.js';
import { CredentialsError } from '../../../src/errors.js';
import { file } from '../../support/folder.js';

// Made by OpenSSL 3.0's `pkcs12 -export`, nss.p12 by NSS 3.87's `pk12util -o`, of a certificate for com.example.app in the sandbox, valid until 2120.
const path = (name: string) => join(import.meta.dirname, 'p12', `${name}.p12`);
const environment = 'sandbox' as const;
const passphrase = 'opensesame';

async function refusal(source: Omit<CredentialsSource, 'environment'>): Promise<string> {
  const error = await readCredentials({ environment, ...source }).then(
    () => assert.fail('the credentials were taken'),
    (error) => error,
  );
  assert.ok(error instanceof CredentialsError, String(error));
  return error.message;
}

const files: [name: string, passphrase: string | undefined, holds: string][] = [
  ['keychain', passphrase, 'RC2-40 and triple DES, as Keychain exports it'],
  ['des', passphrase, 'triple DES'],
  ['rc2-128', passphrase, 'RC2-128'],
  ['modern', passphrase, 'AES-256, as OpenSSL 3 exports it'],
  ['ec', passphrase, 'a certificate with an EC key'],
  ['nss', passphrase, 'AES-256 and AES-128 of 600,000 rounds each, as Firefox exports it'],
  ['unicode', 'grüße👋', 'AES-256 under a passphrase that is not ASCII'],
  ['unicode-old', 'grüße', 'triple DES under a passphrase that is not ASCII'],
  ['empty', undefined, 'triple DES under an empty passphrase'],
  ['plain', undefined, 'nothing encrypted and no MAC'],
];

for (const [name, passphrase, holds] of files) {
  test(`a .p12 with ${holds} opens`, async () => {
    const source = { cert: path(name), environment, ...(passphrase && { passphrase }) };
    const read = await readCredentials(source);
    assert.ok(read.kind === 'certificate');
    assert.equal(read.topic, 'com.example.app');
    createSecureContext({ cert: read.cert, key: read.key });
  });
}

test('node:tls itself refuses what Keychain exports', async () => {
  const pfx = await readFile(path('keychain'));
  assert.throws(() => createSecureContext({ pfx, passphrase }), /Unsupported PKCS12 PFX data/);
});

test('a .p12 is the same by path, as bytes and as base64 text', async () => {
  const bytes = await readFile(path('keychain'));
  const lines = bytes.toString('base64').replaceAll(/.{64}/g, '$&\n');
  const [first, ...others] = await Promise.all(
    [path('keychain'), bytes, new Uint8Array(bytes), bytes.toString('base64'), lines].map((cert) =>
      readCredentials({ cert, environment, passphrase }),
    ),
  );
  for (const other of others) assert.deepEqual(other, first);
});

test('a .p12 in BER opens, with lengths left open and texts in pieces', async () => {
  const pfx = forge.asn1.fromDer((await readFile(path('modern'))).toString('binary'));
  const safe = at(pfx, 1, 1, 0).value as string;
  const id = Buffer.from('06092a864886f70d010701', 'hex');
  const half = safe.length >> 1;
  const pieces = [safe.slice(0, half), safe.slice(half)].map((piece) =>
    Buffer.concat([
      Buffer.of(4, 0x82, piece.length >> 8, piece.length & 0xff),
      Buffer.from(piece, 'binary'),
    ]),
  );
  const open = (tag: number, ...content: Buffer[]) =>
    Buffer.concat([Buffer.of(tag, 0x80), ...content, Buffer.of(0, 0)]);
  const content = open(0x30, id, open(0xa0, open(0x24, ...pieces)));
  const cert = open(0x30, Buffer.of(2, 1, 3), content);
  assert.equal((await readCredentials({ cert, environment, passphrase })).topic, 'com.example.app');
});

function at(node: forge.asn1.Asn1, ...way: number[]): forge.asn1.Asn1 {
  const [first, ...rest] = way;
  const child = first === undefined ? undefined : (node.value as forge.asn1.Asn1[])[first];
  return child ? at(child, ...rest) : node;
}

test('a .p12 that can not be used is refused with the reason', async () => {
  const bytes = await readFile(path('keychain'));
  const { raw } = new X509Certificate(await certificate());
  const cases: [source: Omit<CredentialsSource, 'environment'>, says: string][] = [
    [{ cert: path('keychain') }, "cert can't be opened without a passphrase, or is damaged"],
    [
      { cert: path('keychain'), passphrase: 'x' },
      "cert can't be opened with this passphrase, or is damaged",
    ],
    [
      { cert: path('modern'), passphrase: 'x' },
      "cert can't be opened with this passphrase, or is damaged",
    ],
    [
      { cert: path('rc4'), passphrase },
      'cert is encrypted by 1.2.840.113549.1.12.1.1, which is not known here',
    ],
    [
      { cert: path('rounds'), passphrase },
      'cert wants more rounds of key derivation than the 1000000 that are granted',
    ],
    [{ cert: path('no-key'), passphrase }, "cert's .p12 holds no private key"],
    [{ cert: path('no-certificate'), passphrase }, "cert's .p12 holds no certificate"],
    [
      { cert: await file('apns.cer', raw) },
      'cert is a certificate alone, expected its private key too: PEM text or a .p12 file with both',
    ],
    [
      { cert: bytes.subarray(0, 1000), passphrase },
      "cert can't be opened with this passphrase, or is damaged",
    ],
    [{ cert: Buffer.of(0x30, 0x80), passphrase }, 'cert is neither PEM text nor a .p12 file'],
    [
      { cert: Buffer.alloc(30_000, Buffer.of(0x30, 0x80)), passphrase },
      'cert is neither PEM text nor a .p12 file',
    ],
    [
      { key: bytes, passphrase, keyId: 'ABCDEFGHIJ', teamId: 'ABCDEFGHIJ', topic: 'a.b' },
      "key holds no PRIVATE KEY, expected a .p8 file's PEM text",
    ],
  ];
  for (const [source, says] of cases) assert.equal(await refusal(source), says);
});

async function certificate(): Promise<string> {
  const read = await readCredentials({ cert: path('ec'), passphrase, environment });
  assert.ok(read.kind === 'certificate');
  return read.cert;
}
