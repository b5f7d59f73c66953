/** Reads what an app proves itself with, and checks all of it before anything is dialled. */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { createSecureContext } from 'node:tls';
import { CredentialsError } from '../errors.js';
import { readAppleExtensions } from './apple-extensions.js';
import type { Environment } from './gateway.js';

/** What `provision` is told: `cert`, or `key` with `keyId`, `teamId` and `topic`. */
export interface CredentialsSource {
  environment: Environment;
  /** Certificate and key, PEM text or an absolute path. */
  cert?: string;
  /** A .p8 key, PEM text or an absolute path. */
  key?: string;
  keyId?: string;
  teamId?: string;
  topic?: string;
}

interface Common {
  environment: Environment;
  /** The bundle id that `apns-topic` starts with. */
  topic: string;
  /** The same for the same contents, wherever they came from. */
  fingerprint: string;
  warnings: string[];
}

export type Credentials = Common &
  (
    | { kind: 'certificate'; cert: string; key: string; expiresAt: Date }
    | { kind: 'token'; key: KeyObject; keyId: string; teamId: string }
  );

/** What is longer is no certificate. */
const maxBytes = 1 << 20;
const day = 24 * 60 * 60 * 1000;
const warnBeforeMs = 30 * day;
const tenCharacters = /^[A-Z0-9]{10}$/;
const bundleId = /^[A-Za-z0-9.-]+$/;

/**
 * @param now UNIX milliseconds
 * @throws CredentialsError with every reason
 */
export async function readCredentials(
  source: CredentialsSource,
  now = Date.now(),
): Promise<Credentials> {
  if (source.cert !== undefined && source.key !== undefined) {
    throw new CredentialsError('cert and key are both given, expected one of them');
  }
  if (source.cert !== undefined) {
    return readCertificate(await readText('cert', source.cert), source, now);
  }
  if (source.key !== undefined) return readKey(await readText('key', source.key), source);
  throw new CredentialsError('neither cert nor key is given, expected one of them');
}

async function readCertificate(
  pem: string,
  source: CredentialsSource,
  now: number,
): Promise<Credentials> {
  const wrong: string[] = [];
  const warnings: string[] = [];
  const blocks = pemBlocks(pem);
  const certificates = blocks.filter((block) => block.label === 'CERTIFICATE');
  const keys = blocks.filter((block) => block.label.endsWith('PRIVATE KEY'));
  if (certificates.length === 0) wrong.push('cert holds no CERTIFICATE, expected PEM text');
  if (keys.length === 0)
    wrong.push('cert holds no PRIVATE KEY, expected it beside the certificate');

  const certificate = attempt(() => new X509Certificate(certificates[0]?.text ?? ''));
  const key = attempt(() => createPrivateKey(keys[0]?.text ?? ''));
  if (certificates.length > 0 && !certificate) wrong.push("cert's CERTIFICATE can't be parsed");
  if (keys.length > 0 && !key) {
    wrong.push("cert's PRIVATE KEY can't be parsed, expected it without a passphrase");
  }
  if (certificate && key && !certificate.checkPrivateKey(key)) {
    wrong.push("the private key does not match cert's certificate");
  }

  let { topic } = source;
  let expiresAt = new Date(0);
  if (certificate) {
    expiresAt = new Date(certificate.validTo);
    const startsAt = new Date(certificate.validFrom);
    const left = expiresAt.getTime() - now;
    if (left <= 0) wrong.push(`the certificate expired on ${expiresAt.toISOString()}`);
    else if (left < warnBeforeMs) {
      warnings.push(`the certificate expires on ${expiresAt.toISOString()}`);
    }
    if (startsAt.getTime() > now) {
      wrong.push(`the certificate is not valid before ${startsAt.toISOString()}`);
    }
    const uid = /^UID=(.+)$/m.exec(certificate.subject)?.[1];
    topic ??= uid;
    if (!topic) wrong.push("topic is missing and the certificate's subject has no UID to take");
    else if (!bundleId.test(topic)) wrong.push('topic is not of letters, digits, dots and hyphens');

    const { environments, topics } = await readAppleExtensions(certificate.raw);
    if (uid !== undefined) topics.add(uid);
    if (environments.size === 0) {
      warnings.push("the certificate has none of Apple's extensions: its environment is unknown");
    } else if (!environments.has(source.environment)) {
      const meant = [...environments].join(' and ');
      wrong.push(`the certificate is for ${meant}, but environment is ${source.environment}`);
    }
    if (topic && topics.size > 0 && !topics.has(topic)) {
      wrong.push(`topic ${topic} is none of the certificate's: ${[...topics].join(', ')}`);
    }
  }
  const pair = {
    cert: certificates.map((block) => block.text).join('\n'),
    key: keys[0]?.text ?? '',
  };
  // OpenSSL has demands of its own: RSA keys of 1,024 bits and MD5 signatures are no longer taken.
  if (wrong.length === 0 && !attempt(() => createSecureContext(pair))) {
    wrong.push('certificate and key are too weak for TLS, or of a kind that it does not have');
  }
  if (wrong.length > 0 || !topic) throw new CredentialsError(wrong.join('; '));
  return {
    kind: 'certificate',
    environment: source.environment,
    topic,
    ...pair,
    expiresAt,
    warnings,
    fingerprint: digest('certificate', source.environment, topic, pem),
  };
}

function readKey(pem: string, source: CredentialsSource): Credentials {
  const wrong: string[] = [];
  const key = attempt(() => createPrivateKey(pem));
  if (!key) wrong.push("key can't be parsed, expected a .p8 file's PEM text without a passphrase");
  else if (
    key.asymmetricKeyType !== 'ec' ||
    key.asymmetricKeyDetails?.namedCurve !== 'prime256v1'
  ) {
    wrong.push(`key is ${key.asymmetricKeyType}, expected EC P-256 as in Apple's .p8 files`);
  }
  const { keyId = '', teamId = '', topic = '' } = source;
  if (!tenCharacters.test(keyId)) wrong.push('keyId is not 10 capital letters and digits');
  if (!tenCharacters.test(teamId)) wrong.push('teamId is not 10 capital letters and digits');
  if (!bundleId.test(topic)) wrong.push('topic is not of letters, digits, dots and hyphens');
  if (wrong.length > 0 || !key) throw new CredentialsError(wrong.join('; '));
  return {
    kind: 'token',
    environment: source.environment,
    topic,
    key,
    keyId,
    teamId,
    warnings: [],
    fingerprint: digest('token', source.environment, topic, keyId, teamId, pem),
  };
}

/** The text itself, or what the file at an absolute path holds; an error never tells its contents. */
async function readText(name: string, value: string): Promise<string> {
  if (value.length > maxBytes) throw new CredentialsError(`${name} is over ${maxBytes} bytes`);
  if (value.includes('-----BEGIN ')) return value;
  if (!isAbsolute(value)) {
    throw new CredentialsError(`${name} is neither PEM text nor an absolute path`);
  }
  try {
    // Non-blocking, so that a named pipe can't hold the daemon up before it is refused.
    await using file = await open(value, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile()) throw new CredentialsError(`${name} ${value} is not a regular file`);
    if (stat.size > maxBytes) {
      throw new CredentialsError(`${name} ${value} is over ${maxBytes} bytes`);
    }
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new CredentialsError(`${name} ${value} can't be read: ${reason}`, { cause: error });
  }
}

/** Label and text of each; an encrypted key has lines such as `Proc-Type: 4,ENCRYPTED` before its base64. */
function pemBlocks(pem: string): { label: string; text: string }[] {
  const blocks = pem.matchAll(
    /-----BEGIN ([A-Z0-9 ]+)-----\r?\n(?:[\w-]+: [^\n]*\n)*[^-]+-----END \1-----/g,
  );
  return [...blocks].map(([text, label = '']) => ({ label, text }));
}

/** The reason stays unsaid: what node:crypto tells of a text that is no key may quote it. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

function digest(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
