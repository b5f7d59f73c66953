import assert from 'node:assert/strict';
import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type CredentialsSource,
  readCredentials,
  warningsOf,
} from '../../../src/apns/credentials/credentials.js';
import { CredentialsError } from '../../../src/errors.js';
import { createAuthority, createProviderKey } from '../../../src/testing/index.js';
import {
  type CertificateParts,
  certificate,
  generalizedTime,
  objectId,
  pem,
  sequence,
  set,
  utcTime,
  utf8String,
} from '../../support/der.js';
import { file, folder } from '../../support/folder.js';

const day = 24 * 60 * 60 * 1000;
const topic = 'com.example.app';
const authority = await createAuthority();
const sandbox = await authority.issueCertificate({ topic, environment: 'sandbox' });
const provider = await createProviderKey({ topics: [topic] });
const { key, keyId, teamId } = provider;
const p8 = { environment: 'sandbox' as const, key, keyId, teamId, topic };

function certificateOf(pem: string): string {
  return new X509Certificate(pem).toString();
}

function keyOf(pem: string): string {
  return pem.slice(pem.indexOf('-----BEGIN PRIVATE KEY'));
}

/** The message of the CredentialsError. */
async function refusal(source: CredentialsSource, now?: number): Promise<string> {
  const error = await readCredentials(source, now).then(
    () => assert.fail('the credentials were taken'),
    (error) => error,
  );
  assert.ok(error instanceof CredentialsError, String(error));
  return error.message;
}

test('a certificate tells its topic and its end, as PEM text and by path', async () => {
  const text = await readCredentials({ cert: sandbox, environment: 'sandbox' });
  const path = await readCredentials({
    cert: await file('a.pem', sandbox),
    environment: 'sandbox',
  });
  assert.deepEqual(path, text);
  assert.equal(text.kind, 'certificate');
  assert.equal(text.topic, topic);
  assert.deepEqual(warningsOf(text), []);
  assert.ok(text.kind === 'certificate');
  assert.equal(text.expiresAt.getTime(), Date.parse(new X509Certificate(sandbox).validTo));
});

test('a .p8 key is taken as PEM text and by path', async () => {
  const text = await readCredentials(p8);
  const path = await readCredentials({ ...p8, key: await file('a.p8', key) });
  assert.equal(text.kind, 'token');
  assert.equal(path.fingerprint, text.fingerprint);
  assert.equal(path.topic, topic);
});

test('the fingerprint is the same for the same contents, and another for anything else', async () => {
  const [again, ...others] = await Promise.all(
    [
      p8,
      { ...p8, environment: 'production' as const },
      { ...p8, topic: 'com.example.other' },
      { ...p8, keyId: 'ABCDEFGHIJ' },
      { ...p8, teamId: 'ABCDEFGHIJ' },
      { ...p8, key: `${key}\n` },
      { environment: 'sandbox' as const, cert: sandbox },
    ].map(async (source) => (await readCredentials(source)).fingerprint),
  );
  assert.equal(again, (await readCredentials({ ...p8 })).fingerprint);
  assert.equal(new Set([again, ...others]).size, 7);
});

test('the key may stand before the certificate, with a chain behind and text around them', async () => {
  const pem = `Bag Attributes\n  a: b\n${keyOf(sandbox)}subject=/UID=x\n${certificateOf(sandbox)}${authority.ca}`;
  const read = await readCredentials({
    cert: pem.replaceAll(/\r?\n/g, '\r\n'),
    environment: 'sandbox',
  });
  assert.equal(read.topic, topic);
  assert.ok(read.kind === 'certificate');
  assert.equal(read.cert.match(/BEGIN CERTIFICATE/g)?.length, 2);
});

test("a certificate without Apple's extensions is taken with a warning, one for both environments without", async () => {
  const none = await authority.issueCertificate({ topic, environment: 'none' });
  const both = await authority.issueCertificate({ topic, environment: 'both' });
  for (const environment of ['sandbox', 'production'] as const) {
    assert.deepEqual(warningsOf(await readCredentials({ cert: none, environment })), [
      "the certificate has none of Apple's extensions: its environment is unknown",
    ]);
    assert.deepEqual(warningsOf(await readCredentials({ cert: both, environment })), []);
  }
});

test('thirty days before its end a certificate has a warning, from then on and not before', async () => {
  const source = { cert: sandbox, environment: 'sandbox' as const };
  const end = Date.parse(new X509Certificate(sandbox).validTo);
  const credentials = await readCredentials(source);
  const on = new Date(end).toISOString();
  assert.deepEqual(warningsOf(credentials, end - 30 * day), []);
  assert.deepEqual(warningsOf(credentials, end - 30 * day + 1), [
    `the certificate expires on ${on}`,
  ]);
  assert.deepEqual(warningsOf(credentials, end), [`the certificate expired on ${on}`]);
  await readCredentials(source, end - 1);
  assert.equal(await refusal(source, end), `the certificate expired on ${on}`);
  const start = Date.parse(new X509Certificate(sandbox).validFrom);
  assert.match(await refusal(source, start - 1), /^the certificate is not valid before \d{4}-/);
});

test('the topic may be any that the certificate lists, and no other', async () => {
  const listed = ['com.example.app.voip', 'com.example.app.complication'];
  const cert = await authority.issueCertificate({ topic, environment: 'both', topics: listed });
  const source = { cert, environment: 'production' as const };
  for (const own of [topic, ...listed]) {
    assert.equal((await readCredentials({ ...source, topic: own })).topic, own);
  }
  assert.equal((await readCredentials(source)).topic, topic);
  assert.match(
    await refusal({ ...source, topic: 'com.example.other' }),
    /^topic com\.example\.other is none of the certificate's: /,
  );
  assert.equal(
    await refusal({ cert: sandbox, environment: 'sandbox', topic: 'com.example.other' }),
    `topic com.example.other is none of the certificate's: ${topic}`,
  );
});

test('a list of topics that is no list is passed over', async () => {
  const pem = await authority.issueCertificate({ topic, environment: 'both', topics: ['a.b'] });
  const der = new X509Certificate(pem).raw;
  const listId = Buffer.from('060a2a864886f76364060306', 'hex');
  // Behind it: OCTET STRING, its length, SEQUENCE, its length; the last becomes too long.
  der[der.indexOf(listId) + listId.length + 3] = 0x7f;
  const certificate = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
  const read = await readCredentials({
    cert: certificate + keyOf(pem),
    environment: 'sandbox',
  });
  assert.equal(read.topic, topic);
});

test('every reason why a certificate can not be used is told at once', async () => {
  const expired = await authority.issueCertificate({
    topic,
    environment: 'production',
    notAfter: new Date(Date.now() - 1000),
  });
  assert.match(
    await refusal({
      cert: certificateOf(expired) + keyOf(sandbox),
      environment: 'sandbox',
      topic: 'com.example.other',
    }),
    new RegExp(
      [
        "^the private key does not match cert's certificate",
        'the certificate expired on \\S+',
        'the certificate is for production, but environment is sandbox',
        "topic com.example.other is none of the certificate's: com.example.app$",
      ].join('; '),
    ),
  );
});

test('a cert that is no PEM, or lacks a part, is refused without a word of what it holds', async () => {
  const secret = 'c2VjcmV0IQ==';
  const block = (label: string, text = secret) =>
    `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encrypt = (type: 'pkcs1' | 'pkcs8') =>
    privateKey
      .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
      .toString();
  const noCertificate = 'cert holds no CERTIFICATE, expected PEM text or a .p12 file';
  const noKey = 'cert holds no PRIVATE KEY, expected it beside the certificate';
  const badCertificate = "cert's CERTIFICATE can't be parsed";
  const badKey = "cert's PRIVATE KEY can't be parsed, expected a private key in PEM";
  const encrypted = "cert's PRIVATE KEY is encrypted, expected its passphrase beside it";
  const neither = 'cert is neither PEM text nor a .p12 file';
  const cases: [cert: string, reasons: string[]][] = [
    [await file('passwd', `root:${secret}:0:0`), [neither]],
    [await file('empty', ''), [neither]],
    [await file('zero', '0\x00'), [neither]],
    ['-----BEGIN ', [noCertificate, noKey]],
    [block('CERTIFICATE'), [noKey, badCertificate]],
    [block('CERTIFICATE') + block('PRIVATE KEY'), [badCertificate, badKey]],
    [certificateOf(sandbox), [noKey]],
    [keyOf(sandbox), [noCertificate]],
    [certificateOf(sandbox) + block('EC PRIVATE KEY'), [badKey]],
    [certificateOf(sandbox) + encrypt('pkcs8'), [encrypted]],
    [certificateOf(sandbox) + encrypt('pkcs1'), [encrypted]],
    ['-----BEGIN CERTIFICATE-----\n'.repeat(30_000), [noCertificate, noKey]],
  ];
  for (const [cert, reasons] of cases) {
    const message = await refusal({ cert, environment: 'sandbox' });
    assert.equal(message, reasons.join('; '), cert.slice(0, 200));
  }
});

test('a certificate without a UID is for the first topic that it lists', async () => {
  const pem = await authority.issueCertificate({
    topic,
    environment: 'both',
    topics: ['a.b', 'a.c'],
  });
  const der = new X509Certificate(pem).raw;
  // The UID's identifier becomes one that nobody knows.
  const userId = Buffer.from('060a0992268993f22c640101', 'hex');
  der[der.indexOf(userId) + userId.length - 1] = 0x7f;
  const cert = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n${keyOf(pem)}`;
  assert.equal((await readCredentials({ cert, environment: 'sandbox' })).topic, 'a.b');
});

test('a UID is found that does not begin a line of what node:crypto tells of the subject', async () => {
  const names = [
    set(
      sequence(objectId('2.5.4.3'), utf8String('Apple Push Services')),
      sequence(objectId('0.9.2342.19200300.100.1.1'), utf8String(topic)),
    ),
  ];
  const { cert, subject } = made({ names });
  assert.doesNotMatch(subject, /^UID=/m);
  assert.equal((await readCredentials({ cert, environment: 'sandbox' })).topic, topic);
});

test('a certificate whose dates can not be read is refused', async () => {
  const good = generalizedTime('20490101000000Z');
  for (const bad of [utcTime('99'), generalizedTime('99999999999999Z'), generalizedTime('')]) {
    for (const dates of [
      { notBefore: bad, notAfter: good },
      { notBefore: utcTime('200101000000Z'), notAfter: bad },
    ]) {
      const { cert } = made(dates);
      // Newer Nodes read no certificate of which some of them are none.
      const expected =
        /^(the certificate's dates can't be read|cert's CERTIFICATE can't be parsed)$/;
      assert.match(String(await refusal({ cert, environment: 'sandbox' })), expected);
    }
  }
  const { cert } = made({ notAfter: generalizedTime('99991231235959Z') });
  const read = await readCredentials({ cert, environment: 'sandbox' });
  assert.ok(read.kind === 'certificate');
  assert.equal(read.expiresAt.toISOString(), '9999-12-31T23:59:59.000Z');
});

/** A certificate of such parts with its key, and what node:crypto tells of its subject. */
function made(parts: Partial<CertificateParts>): { cert: string; subject: string } {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const raw = certificate({
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    ...parts,
  });
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' });
  return {
    cert: pem('CERTIFICATE', raw) + key,
    // Newer Nodes read no certificate whose dates are none.
    get subject() {
      return new X509Certificate(raw).subject;
    },
  };
}

test('of the topics of a certificate that has many ten are told', async () => {
  const topics = Array.from({ length: 500 }, (_, number) => `com.example.${number}`);
  const cert = await authority.issueCertificate({ topic, environment: 'sandbox', topics });
  assert.equal(
    await refusal({ cert, environment: 'sandbox', topic: 'com.example.other' }),
    `topic com.example.other is none of the certificate's: ${topics.slice(0, 10).join(', ')} and 491 more`,
  );
});

test('parts are found where one ends and the next begins on one line, and beside those of other kinds', async () => {
  const other = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----';
  const parts = [other, certificateOf(sandbox), keyOf(sandbox)].map((part) => part.trim());
  const read = await readCredentials({ cert: parts.join(''), environment: 'sandbox' });
  assert.equal(read.topic, topic);
});

test('an encrypted key opens with its passphrase, and only with that', async () => {
  const rsa = createPrivateKey(keyOf(sandbox));
  const ec = createPrivateKey(key);
  const passphrase = 'öffne dich';
  const encrypt = (key: KeyObject, type: 'pkcs1' | 'pkcs8', cipher: string) =>
    key.export({ type, format: 'pem', cipher, passphrase }).toString();
  const encrypted = [
    encrypt(rsa, 'pkcs8', 'aes-256-cbc'),
    encrypt(rsa, 'pkcs8', 'aes-128-cbc'),
    encrypt(rsa, 'pkcs8', 'des-ede3-cbc'),
    encrypt(rsa, 'pkcs1', 'aes-256-cbc'),
  ];
  for (const text of encrypted) {
    const source = { cert: certificateOf(sandbox) + text, environment: 'sandbox' as const };
    const read = await readCredentials({ ...source, passphrase });
    assert.ok(read.kind === 'certificate' && read.key.startsWith('-----BEGIN PRIVATE KEY-----'));
    assert.equal(
      await refusal({ ...source, passphrase: 'Sesam' }),
      "cert's PRIVATE KEY can't be opened with this passphrase",
    );
  }
  const p8Source = { ...p8, key: encrypt(ec, 'pkcs8', 'aes-256-cbc') };
  assert.equal((await readCredentials({ ...p8Source, passphrase })).kind, 'token');
  assert.equal(
    await refusal({ ...p8Source, passphrase: '' }),
    "key can't be opened with this passphrase",
  );
  assert.equal(await refusal(p8Source), 'key is encrypted, expected its passphrase beside it');
});

test('what is not to be shown is not: a key in the place of a topic', async () => {
  assert.equal(
    await refusal({ cert: sandbox, environment: 'sandbox', topic: keyOf(sandbox) }),
    'topic is not of letters, digits, dots and hyphens',
  );
});

test('a key that TLS does not take any more is refused, not left for the first connection', async () => {
  const weak = await weakCertificate();
  assert.equal(
    await refusal({ cert: weak, environment: 'sandbox', topic }),
    'certificate and key are too weak for TLS, or of a kind that it does not have',
  );
});

/** With an RSA key of 512 bits. */
async function weakCertificate(): Promise<string> {
  const { default: forge } = await import('node-forge');
  const { privateKey, publicKey } = forge.pki.rsa.generateKeyPair(512);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  certificate.serialNumber = '01';
  certificate.validity.notAfter = new Date(Date.now() + 365 * day);
  certificate.sign(privateKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate) + forge.pki.privateKeyToPem(privateKey);
}

test('a path that can not be read is refused with the reason', async () => {
  const large = await file('large.pem', 'x'.repeat((1 << 20) + 1));
  const cases: [path: string, says: string][] = [
    ['apns.pem', 'cert is neither PEM text nor an absolute path'],
    ['./apns.pem', 'cert is neither PEM text nor an absolute path'],
    ['', 'cert is neither PEM text nor an absolute path'],
    [join(folder, 'none.pem'), `cert ${folder}/none.pem can't be read: ENOENT`],
    [join(folder, 'a\0b'), 'cert is neither PEM text nor an absolute path'],
    [`/${'x'.repeat(1024)}`, 'cert is neither PEM text nor an absolute path'],
    ['TUlJ', 'cert is neither PEM text nor an absolute path'],
    [folder, `cert ${folder} is not a regular file`],
    ['/dev/zero', 'cert /dev/zero is not a regular file'],
    [large, `cert ${large} is over 1048576 bytes`],
    [`-----BEGIN ${'x'.repeat(1 << 20)}`, 'cert is over 1048576 bytes'],
  ];
  for (const [cert, says] of cases) {
    assert.equal(await refusal({ cert, environment: 'sandbox' }), says);
  }
});

test('every reason why a .p8 key can not be used is told at once', async () => {
  const pemOf = (pair: { privateKey: { export(options: object): string | Buffer } }) =>
    pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const rsa = pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }));
  const p384 = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
  const ed25519 = pemOf(generateKeyPairSync('ed25519'));
  const noPem = "key holds no PRIVATE KEY, expected a .p8 file's PEM text";
  const noKey = "key can't be parsed, expected a private key in PEM";
  const badTopic = 'topic is not of letters, digits, dots and hyphens';
  const cases: [wrong: Partial<CredentialsSource>, reasons: string[]][] = [
    [{ key: rsa }, ["key is rsa, expected EC P-256 as in Apple's .p8 files"]],
    [{ key: p384 }, ["key is ec, expected EC P-256 as in Apple's .p8 files"]],
    [{ key: ed25519 }, ["key is ed25519, expected EC P-256 as in Apple's .p8 files"]],
    [{ key: '-----BEGIN PRIVATE KEY-----\nhello\n-----END PRIVATE KEY-----' }, [noKey]],
    [{ key: await file('b.p8', 'hello'), topic: '' }, [noPem, badTopic]],
    [{ topic: 'com.example\n.app' }, [badTopic]],
    [
      { keyId: 'abcdefghij', teamId: 'ABC' },
      ['keyId is not 10 capital letters and digits', 'teamId is not 10 capital letters and digits'],
    ],
  ];
  for (const [wrong, reasons] of cases) {
    assert.equal(await refusal({ ...p8, ...wrong }), reasons.join('; '));
  }
  assert.equal(
    await refusal({ environment: 'sandbox', key }),
    `keyId is not 10 capital letters and digits; teamId is not 10 capital letters and digits; ${badTopic}`,
  );
});

test('either a certificate or a key is expected, not both and not neither', async () => {
  assert.equal(
    await refusal({ ...p8, cert: sandbox }),
    'cert and key are both given, expected one of them',
  );
  assert.equal(
    await refusal({ environment: 'sandbox' }),
    'neither cert nor key is given, expected one of them',
  );
});
