/** Reads what an app proves itself with, and checks all of it before anything is dialled. */
import { createHash, type KeyObject } from 'node:crypto';
import { basename } from 'node:path';
import { CredentialsError } from '../../errors.js';
import type { Environment } from '../gateway.js';
import { pathOf, readContents } from './contents.js';
import { readProviderKey } from './provider-key.js';
import { readPushCertificate } from './push-certificate.js';

/** What `provision` is told: `cert`, or `key` with `keyId`, `teamId` and `topic`. */
export interface CredentialsSource {
  environment: Environment;
  /** Certificate and key: an absolute path, PEM text, or a .p12 as bytes or base64 text. */
  cert?: string | Uint8Array;
  /** A .p8 key: PEM text or an absolute path. */
  key?: string | Uint8Array;
  /** Opens a .p12 file or an encrypted key. */
  passphrase?: string;
  keyId?: string;
  teamId?: string;
  topic?: string;
  /** A folder that their file must be in. */
  root?: string | undefined;
}

interface Common {
  environment: Environment;
  /** The bundle id that `apns-topic` starts with. */
  topic: string;
  /** The same for the same contents, wherever they came from. */
  fingerprint: string;
  /** What is odd about them. */
  remarks: string[];
}

export type Credentials = Common &
  (
    | { kind: 'certificate'; cert: string; key: string; expiresAt: Date }
    | { kind: 'token'; key: KeyObject; keyId: string; teamId: string }
  );

const day = 24 * 60 * 60 * 1000;
const warnBeforeMs = 30 * day;
/** OpenSSL takes no longer ones. */
const maxPassphraseBytes = 1024;

/**
 * @param now UNIX milliseconds
 * @param signal ends the waiting for keys derived from the passphrase
 * @throws CredentialsError with every reason, or OverloadedError where too many wait for keys already
 */
export async function readCredentials(
  source: CredentialsSource,
  now = Date.now(),
  signal?: AbortSignal,
): Promise<Credentials> {
  const { environment, cert, key, root, passphrase = '' } = source;
  if (Buffer.byteLength(passphrase) > maxPassphraseBytes) {
    throw new CredentialsError(`passphrase is over ${maxPassphraseBytes} bytes`);
  }
  if (cert !== undefined && key !== undefined) {
    throw new CredentialsError('cert and key are both given, expected one of them');
  }
  if (cert !== undefined) {
    const contents = await readContents('cert', cert, root);
    const read = await readPushCertificate(contents, source, now, signal);
    const fingerprint = digest('certificate', environment, read.topic, contents.digest);
    return { kind: 'certificate', environment, ...read, fingerprint };
  }
  if (key !== undefined) {
    const contents = await readContents('key', key, root);
    const read = await readProviderKey(contents, source, signal);
    const { topic, keyId, teamId } = read;
    const fingerprint = digest('token', environment, topic, keyId, teamId, contents.digest);
    const remarks = remarksOnName(key, keyId);
    return { kind: 'token', environment, ...read, fingerprint, remarks };
  }
  throw new CredentialsError('neither cert nor key is given, expected one of them');
}

/** When a certificate ends, where that is less than thirty days off or over. */
export function endsSoon(credentials: Credentials, now = Date.now()): Date | undefined {
  if (credentials.kind === 'token') return undefined;
  const { expiresAt } = credentials;
  return expiresAt.getTime() - now < warnBeforeMs ? expiresAt : undefined;
}

/** What an operator should know of credentials that are used all the same. */
export function warningsOf(credentials: Credentials, now = Date.now()): string[] {
  const end = endsSoon(credentials, now);
  if (!end) return [...credentials.remarks];
  const verb = end.getTime() > now ? 'expires' : 'expired';
  return [`the certificate ${verb} on ${end.toISOString()}`, ...credentials.remarks];
}

/** Apple names the file that it hands out for the key; only a first request would show that the id is another's. */
function remarksOnName(key: string | Uint8Array, keyId: string): string[] {
  const file = basename(pathOf(key) ?? '');
  const [, named = keyId] = /^AuthKey_([A-Za-z0-9]{10})\.p8$/.exec(file) ?? [];
  return named === keyId ? [] : [`the file is named ${file}, but keyId is ${keyId}`];
}

function digest(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)} `).update(part);
  return hash.digest('hex');
}
