/** Certificates and keys as Apple would hand them out, made here and trusted nowhere else. */
import {
  createPrivateKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  randomInt,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import type { asn1, pki } from 'node-forge';
import { ConfigError } from '../errors.js';

export type Environment = 'sandbox' | 'production';

/** What a push certificate is to say. */
export interface CertificateWish {
  /** The bundle id: becomes the subject's UID. */
  topic: string;
  /** `'both'` is what Apple issues today; `'none'` leaves Apple's extensions out. */
  environment: Environment | 'both' | 'none';
  /** Listed in Apple's topics extension; with one, Apple wants `apns-topic` in each request. */
  topics?: readonly string[];
  /** @default one day ago */
  notBefore?: Date;
  /** @default in ten years */
  notAfter?: Date;
}

/** A token signing key, and what it may be used for. */
export interface ProviderKey {
  /** The .p8 file's text: EC P-256, PKCS#8, PEM. */
  key: string;
  /** 10 capital letters and digits. */
  keyId: string;
  /** 10 capital letters and digits. */
  teamId: string;
  /** The first of `topics`. */
  topic: string;
  /** The bundle ids of the team's apps. */
  topics: readonly string[];
  environment: Environment | 'both';
}

interface CertificateText {
  certificate: string;
  key: string;
}

interface Name {
  type: string;
  value: string;
}

/** Whom a client may have meant to reach: this machine, or Apple, whose name then leads here. */
const serverNames = [
  'localhost',
  '127.0.0.1',
  '::1',
  'api.push.apple.com',
  'api.sandbox.push.apple.com',
  'api.development.push.apple.com',
];
const commonName = '2.5.4.3';
const userId = '0.9.2342.19200300.100.1.1';
const appleExtension = {
  sandbox: '1.2.840.113635.100.6.3.1',
  production: '1.2.840.113635.100.6.3.2',
  topics: '1.2.840.113635.100.6.3.6',
};
const day = 24 * 60 * 60 * 1000;
const generate = promisify(generateKeyPair);

/** Signs the certificates of one simulated Apple. */
export class Authority {
  /** Its own certificate, PEM: what a client must trust. */
  readonly ca: string;
  /** Its private key, PKCS#8, PEM. */
  readonly key: string;
  readonly #certificate: X509Certificate;
  readonly #signer: KeyObject;
  /** By the names beside those that are always there. */
  readonly #servers = new Map<string, Promise<CertificateText>>();

  constructor(ca: string, key: string) {
    this.ca = ca;
    this.key = key;
    this.#certificate = new X509Certificate(ca);
    this.#signer = createPrivateKey(key);
  }

  /** A push certificate and its RSA key, as one PEM text like the file that Keychain exports. */
  async issueCertificate(wish: CertificateWish): Promise<string> {
    const { certificate, key } = await issue({
      subject: [
        { type: userId, value: wish.topic },
        { type: commonName, value: `Apple Push Services: ${wish.topic}` },
      ],
      issuer: this,
      notBefore: wish.notBefore,
      notAfter: wish.notAfter,
      extensions: [{ name: 'extKeyUsage', clientAuth: true }, ...(await appleExtensions(wish))],
    });
    return certificate + key;
  }

  /**
   * The gateway's own certificate: for this machine, for Apple's gateways and for `names`, which are host names or IP
   * addresses; the same one each time that it is asked for the same names.
   */
  serverCertificate(names: readonly string[] = []): Promise<CertificateText> {
    const wish = names.join(' ');
    const certificate =
      this.#servers.get(wish) ??
      issue({
        subject: [{ type: commonName, value: 'apnsd simulator' }],
        issuer: this,
        extensions: [
          { name: 'extKeyUsage', serverAuth: true },
          { name: 'subjectAltName', altNames: [...serverNames, ...names].map(altName) },
        ],
      });
    this.#servers.set(wish, certificate);
    return certificate;
  }

  /** Whether it signed the certificate. */
  signed(certificate: X509Certificate): boolean {
    return certificate.verify(this.#certificate.publicKey);
  }

  /** For {@link issue}. */
  get signer(): KeyObject {
    return this.#signer;
  }
}

/** A new authority: certificates of another one are foreign to it. */
export async function createAuthority(): Promise<Authority> {
  const { certificate, key } = await issue({
    // Told apart by name too, so that a client that trusts two finds the right one.
    subject: [
      { type: commonName, value: `apnsd simulator authority ${randomBytes(4).toString('hex')}` },
    ],
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return new Authority(certificate, key);
}

let shared: Promise<Authority> | undefined;

/** The process's own authority: keys are dear, and thirty simulators can do with one. */
export function sharedAuthority(): Promise<Authority> {
  shared ??= createAuthority();
  return shared;
}

/** A token signing key as a .p8 file; an id that is not given is made up. */
export async function createProviderKey(wish: {
  topics: readonly string[];
  keyId?: string;
  teamId?: string;
  environment?: Environment | 'both';
}): Promise<ProviderKey> {
  const { topics, environment = 'both' } = wish;
  const [topic] = topics;
  if (topic === undefined)
    throw new ConfigError('topics is empty, expected at least one bundle id');
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return {
    key: pemOf(privateKey),
    keyId: wish.keyId ?? tenCharacters(),
    teamId: wish.teamId ?? tenCharacters(),
    topic,
    topics,
    environment,
  };
}

function tenCharacters(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  return Array.from({ length: 10 }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}

/** As forge wants it: an IP address is another kind of name than a host's. */
function altName(name: string): object {
  return isIP(name) ? { type: 7, ip: name } : { type: 2, value: name };
}

/** Certificate and new RSA key; without an issuer, signed by itself. */
async function issue(wish: {
  subject: Name[];
  issuer?: Authority;
  notBefore?: Date | undefined;
  notAfter?: Date | undefined;
  extensions: object[];
}): Promise<CertificateText> {
  const forge = await loadForge();
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(
    publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  );
  const issuer = wish.issuer ? forge.pki.certificateFromPem(wish.issuer.ca) : certificate;
  // A leading 01 keeps the number positive and of one length.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = wish.notBefore ?? new Date(Date.now() - day);
  certificate.validity.notAfter = wish.notAfter ?? new Date(Date.now() + 3650 * day);
  // forge's types don't know this field; without it a bundle id would have to be a PrintableString.
  const utf8 = { valueTagClass: forge.asn1.Type.UTF8 as unknown as asn1.Class };
  certificate.setSubject(wish.subject.map((name) => ({ ...name, ...utf8 })));
  certificate.setIssuer(wish.issuer ? issuer.subject.attributes : certificate.subject.attributes);
  certificate.setExtensions([
    ...wish.extensions,
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes(),
    },
  ]);
  // node:crypto signs in a millisecond, forge in thirty; of its key forge wants `sign` alone.
  const signer = {
    sign: () => {
      const { tbsCertificate } = certificate as pki.Certificate & { tbsCertificate: asn1.Asn1 };
      const signed = Buffer.from(forge.asn1.toDer(tbsCertificate).getBytes(), 'binary');
      return sign('sha256', signed, wish.issuer?.signer ?? privateKey).toString('binary');
    },
  };
  certificate.sign(signer as unknown as pki.rsa.PrivateKey, forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key: pemOf(privateKey) };
}

async function appleExtensions({ environment, topics }: CertificateWish): Promise<object[]> {
  const forge = await loadForge();
  const { NULL, SEQUENCE, UTF8 } = forge.asn1.Type;
  const node = (type: asn1.Type, value: string | asn1.Asn1[]) =>
    forge.asn1.create(forge.asn1.Class.UNIVERSAL, type, typeof value !== 'string', value);
  const extensions: object[] = [];
  for (const name of ['sandbox', 'production'] as const) {
    if (environment === name || environment === 'both') {
      extensions.push({ id: appleExtension[name], value: node(NULL, '') });
    }
  }
  if (topics) {
    // Each topic is followed by a list of words for it, as in certificates that Apple has issued.
    const list = topics.flatMap((topic) => [
      node(UTF8, topic),
      node(SEQUENCE, [node(UTF8, topic.split('.').at(-1) ?? '')]),
    ]);
    extensions.push({ id: appleExtension.topics, value: node(SEQUENCE, list) });
  }
  return extensions;
}

async function loadForge() {
  // Loaded late: the import takes some 60 ms.
  const { default: forge } = await import('node-forge');
  return forge;
}

function pemOf(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}
