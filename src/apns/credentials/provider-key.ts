/** A .p8 key with its ids, and all that can be wrong with them. */
import type { KeyObject } from 'node:crypto';
import { CredentialsError } from '../../errors.js';
import { wrongTopic } from '../topic.js';
import type { Contents } from './contents.js';
import { isPrivateKey, readPrivateKey } from './pem.js';

export interface ProviderKey {
  topic: string;
  key: KeyObject;
  keyId: string;
  teamId: string;
}

export interface KeyWish {
  keyId?: string;
  teamId?: string;
  topic?: string;
  /** Opens the key. */
  passphrase?: string;
}

const tenCharacters = /^[A-Z0-9]{10}$/;

/**
 * @param contents the .p8 file's PEM text
 * @param signal ends the waiting for a key derived from the passphrase
 * @throws CredentialsError with every reason, or OverloadedError where too many wait for that already
 */
export async function readProviderKey(
  contents: Contents,
  wish: KeyWish,
  signal?: AbortSignal,
): Promise<ProviderKey> {
  const { keyId = '', teamId = '', topic = '' } = wish;
  const wrong: string[] = [];
  const key = await readKey(contents, wish.passphrase, signal).catch((error) => {
    if (!(error instanceof CredentialsError)) throw error;
    wrong.push(error.message);
  });
  if (!tenCharacters.test(keyId)) wrong.push('keyId is not 10 capital letters and digits');
  if (!tenCharacters.test(teamId)) wrong.push('teamId is not 10 capital letters and digits');
  wrong.push(...wrongTopic(topic));
  if (wrong.length > 0 || !key) throw new CredentialsError(wrong.join('; '));
  return { topic, key, keyId, teamId };
}

async function readKey(
  { blocks = [] }: Contents,
  passphrase: string | undefined,
  signal: AbortSignal | undefined,
): Promise<KeyObject> {
  const block = blocks.find(isPrivateKey);
  if (!block)
    throw new CredentialsError("key holds no PRIVATE KEY, expected a .p8 file's PEM text");
  const key = await readPrivateKey('key', block, passphrase, signal);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return key;
  throw new CredentialsError(`key is ${type}, expected EC P-256 as in Apple's .p8 files`);
}
