import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { ProviderTokens } from '../../src/apns/provider-token.js';
import { createProviderKey } from '../../src/testing/index.js';

const minute = 60_000;
const { key: pem, keyId, teamId } = await createProviderKey({ topics: ['com.example.app'] });

/** As each app has it: read from its own file. */
function tokenKey() {
  return { key: createPrivateKey(pem), keyId, teamId };
}

test('a token is a JWT that the public key verifies, with key id, team and time in seconds', () => {
  const bearer = new ProviderTokens(() => 1_700_000_000_999).for(tokenKey())();
  const [, header = '', claims = '', signature = ''] =
    /^bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(bearer) ?? [];
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  assert.deepEqual(decode(header), { alg: 'ES256', kid: keyId });
  assert.deepEqual(decode(claims), { iss: teamId, iat: 1_700_000_000 });
  const raw = Buffer.from(signature, 'base64url');
  assert.equal(raw.length, 64);
  const publicKey = { key: createPublicKey(pem), dsaEncoding: 'ieee-p1363' } as const;
  assert.ok(verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, raw));
});

test('apps that have one team and key share one signature', () => {
  const tokens = new ProviderTokens(() => 0);
  // ES256 signs with a random number: two signatures never look alike.
  assert.equal(tokens.for(tokenKey())(), tokens.for(tokenKey())());
  assert.notEqual(tokens.for(tokenKey())(), new ProviderTokens(() => 0).for(tokenKey())());
});

test('another team, another key id or another key under the same id has a token of its own', () => {
  const tokens = new ProviderTokens(() => 0);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const all = [
    tokenKey(),
    { ...tokenKey(), teamId: 'ABCDEFGHIJ' },
    { ...tokenKey(), keyId: 'ABCDEFGHIJ' },
    { ...tokenKey(), key: privateKey },
  ].map((one) => tokens.for(one)());
  assert.equal(new Set(all).size, all.length);
});

test('a token is renewed after 45 minutes, and not before', () => {
  let now = 1_700_000_000_000;
  const bearer = new ProviderTokens(() => now).for(tokenKey());
  const first = bearer();
  now += 45 * minute - 1;
  assert.equal(bearer(), first);
  now += 1;
  const second = bearer();
  assert.notEqual(second, first);
  now += 45 * minute - 1;
  assert.equal(bearer(), second);
});

test('a token that was signed before the clock was set back is renewed', () => {
  let now = 1_700_000_000_000;
  const bearer = new ProviderTokens(() => now).for(tokenKey());
  const first = bearer();
  now -= 1;
  assert.notEqual(bearer(), first);
});
