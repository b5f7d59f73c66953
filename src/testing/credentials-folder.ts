/** The folder that `apnsd simulate` fills: all that a daemon needs to talk to it, and what a restart needs to be the same Apple. */
import { createPrivateKey } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CredentialsError } from '../errors.js';
import { Authority, createAuthority, createProviderKey } from './authority.js';
import type { SimulatorCredentials } from './simulator.js';

export interface CredentialsFolder {
  credentials: SimulatorCredentials;
  /** Absolute paths. */
  config: string;
  ca: string;
}

interface Entry {
  appId: string;
  environment: 'sandbox';
  cert?: string;
  key?: string;
  keyId?: string;
  teamId?: string;
  topic?: string;
}

const topic = 'com.example.app';
const names = {
  ca: 'ca.pem',
  caKey: 'ca-key.pem',
  certificate: `${topic}.pem`,
  config: 'config.json',
};

/**
 * Reads the credentials that an earlier start made in the folder, or makes them: `ca.pem`, `ca-key.pem`,
 * `com.example.app.pem`, `AuthKey_<key id>.p8` and `config.json`, the daemon's `--config`.
 *
 * @throws CredentialsError where what is there can't be used; node's own error where a file can't be read or written
 */
export async function openCredentialsFolder(path: string): Promise<CredentialsFolder> {
  const folder = resolve(path);
  const config = join(folder, names.config);
  // Not recursive: in a folder where nothing can be made, as /proc, node 20 would try for ever.
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  // Written last, so that where it stands the rest does too.
  const text = await readFile(config, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const credentials = text === undefined ? await make(folder) : await read(folder, config, text);
  return { credentials, config, ca: join(folder, names.ca) };
}

async function make(folder: string): Promise<SimulatorCredentials> {
  const authority = await createAuthority();
  const certificate = await authority.issueCertificate({ topic, environment: 'sandbox' });
  const key = await createProviderKey({ topics: [topic] });
  const cert = join(folder, names.certificate);
  const p8 = join(folder, `AuthKey_${key.keyId}.p8`);
  const { keyId, teamId } = key;
  const initial: Entry[] = [
    { appId: topic, cert, environment: 'sandbox' },
    { appId: `${topic}.token`, key: p8, keyId, teamId, topic, environment: 'sandbox' },
  ];
  const files = [
    [join(folder, names.ca), authority.ca],
    [join(folder, names.caKey), authority.key],
    [cert, certificate],
    [p8, key.key],
    [join(folder, names.config), `${JSON.stringify({ initial }, null, 2)}\n`],
  ] as const;
  for (const [path, text] of files) {
    // Never over a file that somebody else put there.
    await writeFile(path, text, { mode: 0o600, flag: 'wx' });
  }
  return { authority, certificate, key };
}

async function read(folder: string, config: string, text: string): Promise<SimulatorCredentials> {
  const entry = tokenEntry(text);
  if (!entry) {
    throw new CredentialsError(
      `${config} has no entry with key, keyId, teamId and topic, expected one`,
    );
  }
  const [ca, caKey, certificate, key] = await Promise.all(
    [names.ca, names.caKey, names.certificate, entry.key].map((name) =>
      readFile(resolve(folder, name), 'utf8'),
    ) as [Promise<string>, Promise<string>, Promise<string>, Promise<string>],
  );
  const { keyId, teamId } = entry;
  const topics = [entry.topic];
  try {
    createPrivateKey(key);
    return {
      authority: new Authority(ca, caKey),
      certificate,
      key: { key, keyId, teamId, topic: entry.topic, topics, environment: 'both' },
    };
  } catch (error) {
    throw new CredentialsError(`a file in ${folder} is neither certificate nor key`, {
      cause: error,
    });
  }
}

function tokenEntry(text: string): Required<Omit<Entry, 'cert'>> | undefined {
  try {
    const { initial } = JSON.parse(text) as { initial: Entry[] };
    return initial.find((entry): entry is Required<Entry> =>
      [entry.key, entry.keyId, entry.teamId, entry.topic].every(
        (member) => typeof member === 'string',
      ),
    );
  } catch {
    // Not JSON, or JSON of another shape: there is no such entry.
    return undefined;
  }
}
