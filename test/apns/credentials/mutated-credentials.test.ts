import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredentials } from '../../../src/apns/credentials/credentials.js';
import { CredentialsError } from '../../../src/errors.js';
import { createAuthority, createProviderKey } from '../../../src/testing/index.js';
import { mutated } from '../../fuzz/mutation.js';
import { oneOf, randomFrom } from '../../fuzz/random.js';
import { pem } from '../../support/der.js';

const topic = 'com.example.app';
const environment = 'sandbox' as const;
const COUNT = 1500;

test('credentials that were changed at random are taken or refused, and nothing else', async () => {
  const authority = await createAuthority();
  const text = await authority.issueCertificate({ topic, environment, topics: [topic, 'a.b'] });
  const certificate = new X509Certificate(text).raw;
  const key = text.slice(text.indexOf('-----BEGIN PRIVATE KEY'));
  const provider = await createProviderKey({ topics: [topic] });
  const derOf = (text: string) => Buffer.from(text.replaceAll(/-----[^-]+-----/g, ''), 'base64');
  const { keyId, teamId } = provider;
  // Nothing encrypted: with a number of rounds changed at random it would take a minute.
  const pkcs12 = await readFile(join(import.meta.dirname, 'p12/plain.p12'));
  type Source = Omit<Parameters<typeof readCredentials>[0], 'environment'>;
  const kinds: [seed: Buffer, make: (bytes: Buffer) => Source][] = [
    [certificate, (bytes) => ({ cert: pem('CERTIFICATE', bytes) + key })],
    [Buffer.from(text), (bytes) => ({ cert: bytes.toString('latin1') })],
    [pkcs12, (bytes) => ({ cert: bytes })],
    [derOf(key), (bytes) => ({ cert: text.replace(key, pem('PRIVATE KEY', bytes)) })],
    [derOf(provider.key), (bytes) => ({ key: pem('PRIVATE KEY', bytes), keyId, teamId, topic })],
  ];
  let taken = 0;
  for (let number = 0; number < COUNT; number += 1) {
    const random = randomFrom(`credentials ${number}`);
    const [seed, make] = oneOf(random, kinds);
    const source = make(mutated(seed, oneOf(random, kinds)[0], random));
    try {
      await readCredentials({ environment, ...source });
      taken += 1;
    } catch (error) {
      assert.ok(error instanceof CredentialsError, `${number}: ${(error as Error).stack}`);
    }
  }
  assert.ok(taken > 0 && taken < COUNT, `${taken} of ${COUNT} were taken`);
});
