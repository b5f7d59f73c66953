/** A push certificate with its key, and all that can be wrong with them. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { CredentialsError } from '../../errors.js';
import type { Environment } from '../gateway.js';
import { wrongTopic } from '../topic.js';
import { readAppleExtensions } from './apple-extensions.js';
import type { Contents } from './contents.js';
import { isPrivateKey, type PemBlock, readPrivateKey } from './pem.js';
import { openPkcs12 } from './pkcs12.js';
import { privateKeyFrom } from './private-key.js';
import { Semaphore } from './semaphore.js';

export interface PushCertificate {
  topic: string;
  /** The certificate, and those behind it that vouch for it, PEM. */
  cert: string;
  /** PEM, without a passphrase. */
  key: string;
  expiresAt: Date;
  remarks: string[];
}

export interface CertificateWish {
  environment: Environment;
  /** @default the UID of the certificate's subject, else the first topic that it lists */
  topic?: string;
  /** Opens the .p12 or the key. */
  passphrase?: string;
}

/** Each takes OpenSSL some 20 ms at most: others' calls come in between. */
const judging = new Semaphore(1);
const mostTopicsShown = 10;

/**
 * @param contents PEM text with both, or a .p12
 * @param now UNIX milliseconds
 * @param signal ends the waiting for keys derived from the passphrase
 * @throws CredentialsError with every reason, or OverloadedError where too many wait for keys already
 */
export async function readPushCertificate(
  { blocks, der }: Contents,
  wish: CertificateWish,
  now: number,
  signal?: AbortSignal,
): Promise<PushCertificate> {
  const found = blocks
    ? await readPem(blocks, wish.passphrase, signal)
    : await readPkcs12(der, wish.passphrase, signal);
  return judging.run(() => judge(found, wish, now));
}

function judge(found: Found, wish: CertificateWish, now: number): PushCertificate {
  const { certificates, keys, wrong } = found;
  const pair = choosePair(found);
  const certificate = pair?.certificate ?? certificates[0];
  if (!pair && certificates.length > 0 && keys.length > 0) {
    wrong.push("the private key does not match cert's certificate");
  }
  const remarks: string[] = [];
  let topic: string | undefined;
  if (certificate) {
    wrong.push(...wrongTimes(certificate, now));
    const { environments, topics, uid } = readAppleExtensions(certificate.raw);
    if (uid !== undefined) topics.add(uid);
    if (environments.size === 0) {
      remarks.push("the certificate has none of Apple's extensions: its environment is unknown");
    } else if (!environments.has(wish.environment)) {
      const meant = [...environments].join(' and ');
      wrong.push(`the certificate is for ${meant}, but environment is ${wish.environment}`);
    }
    topic = wish.topic ?? uid ?? [...topics][0];
    wrong.push(...wrongTopics(topic, topics));
  }
  const text = pair && {
    cert: [pair.certificate, ...certificates.filter((other) => other !== pair.certificate)].join(
      '',
    ),
    key: pair.key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
  // OpenSSL has demands of its own: RSA keys of 1,024 bits and MD5 signatures are no longer taken.
  if (text && wrong.length === 0 && !attempt(() => createSecureContext(text))) {
    wrong.push('certificate and key are too weak for TLS, or of a kind that it does not have');
  }
  if (wrong.length > 0 || !text || !certificate || topic === undefined) {
    throw new CredentialsError(wrong.join('; '));
  }
  return { topic, ...text, expiresAt: new Date(certificate.validTo), remarks };
}

/** What is missing or can't be read stands in `wrong`. */
interface Found {
  certificates: X509Certificate[];
  keys: KeyObject[];
  wrong: string[];
}

async function readPem(
  blocks: PemBlock[],
  passphrase: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE');
  const keys = blocks.filter(isPrivateKey);
  const found: Found = { certificates: [], keys: [], wrong: [] };
  if (certificates.length === 0) {
    found.wrong.push('cert holds no CERTIFICATE, expected PEM text or a .p12 file');
  }
  if (keys.length === 0) {
    found.wrong.push('cert holds no PRIVATE KEY, expected it beside the certificate');
  }
  await addCertificates(
    found,
    certificates.map(({ der }) => der),
  );
  for (const block of keys) {
    try {
      found.keys.push(await readPrivateKey("cert's PRIVATE KEY", block, passphrase, signal));
    } catch (error) {
      if (!(error instanceof CredentialsError)) throw error;
      found.wrong.push(error.message);
    }
  }
  return found;
}

async function readPkcs12(
  bytes: Buffer,
  passphrase: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Found> {
  // What Apple's site hands out.
  if (await judging.run(() => attempt(() => new X509Certificate(bytes)))) {
    throw new CredentialsError(
      'cert is a certificate alone, expected its private key too: PEM text or a .p12 file with both',
    );
  }
  const { certificates, keys } = await openPkcs12('cert', bytes, passphrase, signal);
  const found: Found = { certificates: [], keys: [], wrong: [] };
  if (certificates.length === 0) found.wrong.push("cert's .p12 holds no certificate");
  if (keys.length === 0) found.wrong.push("cert's .p12 holds no private key");
  await addCertificates(found, certificates);
  for (const key of keys) {
    try {
      found.keys.push(privateKeyFrom("cert's private key", key, 'pkcs8'));
    } catch (error) {
      const told = error instanceof CredentialsError;
      found.wrong.push(told ? error.message : "cert's private key can't be parsed");
    }
  }
  return found;
}

/** @param written DER; undefined for what is none */
function addCertificates(found: Found, written: (Buffer | undefined)[]): Promise<void> {
  return judging.run(() => {
    for (const der of written) {
      const certificate = der && attempt(() => new X509Certificate(der));
      if (certificate) found.certificates.push(certificate);
      else found.wrong.push("cert's CERTIFICATE can't be parsed");
    }
  });
}

function choosePair({ certificates, keys }: Found) {
  for (const certificate of certificates) {
    const key = keys.find((key) => certificate.checkPrivateKey(key));
    if (key) return { certificate, key };
  }
  return undefined;
}

function wrongTimes({ validFrom, validTo }: X509Certificate, now: number): string[] {
  const [start, end] = [new Date(validFrom), new Date(validTo)];
  // Node says "Bad time value" for what is none.
  if (Number.isNaN(start.getTime() + end.getTime()))
    return ["the certificate's dates can't be read"];
  if (end.getTime() <= now) return [`the certificate expired on ${end.toISOString()}`];
  if (start.getTime() <= now) return [];
  return [`the certificate is not valid before ${start.toISOString()}`];
}

function wrongTopics(topic: string | undefined, own: ReadonlySet<string>): string[] {
  if (!topic) return ["topic is missing and the certificate's subject has no UID to take"];
  const wrong = wrongTopic(topic);
  if (wrong.length > 0 || own.size === 0 || own.has(topic)) return wrong;
  const shown = [...own].slice(0, mostTopicsShown).join(', ');
  const more = own.size > mostTopicsShown ? ` and ${own.size - mostTopicsShown} more` : '';
  return [`topic ${topic} is none of the certificate's: ${shown}${more}`];
}

/** The reason stays unsaid: what node:crypto tells of a text that is no key may quote it. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}
