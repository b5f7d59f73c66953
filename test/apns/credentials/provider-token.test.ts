import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { ProviderTokens } from '../../../src/apns/credentials/provider-token.js';
import { createProviderKey } from '../../../src/testing/index.js';

const minute = 60_000;
const { key: pem, keyId, teamId } = await createProviderKey({ topics: ['com.example.app'] });

/** As each app has it: read from its own file. */
function tokenKey() {
  return { key: createPrivateKey(pem), keyId, teamId };
}

test('a token is a JWT that the public key verifies, with key id, team and time in seconds', () => {
  const bearer = new ProviderTokens(() => 1_700_000_000_999).for(tokenKey()).current();
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
  assert.equal(tokens.for(tokenKey()).current(), tokens.for(tokenKey()).current());
  const elsewhere = new ProviderTokens(() => 0);
  assert.notEqual(tokens.for(tokenKey()).current(), elsewhere.for(tokenKey()).current());
});

test('another team, another key id or another key under the same id has a token of its own', () => {
  const tokens = new ProviderTokens(() => 0);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const all = [
    tokenKey(),
    { ...tokenKey(), teamId: 'ABCDEFGHIJ' },
    { ...tokenKey(), keyId: 'ABCDEFGHIJ' },
    { ...tokenKey(), key: privateKey },
  ].map((one) => tokens.for(one).current());
  assert.equal(new Set(all).size, all.length);
});

/** A token at a time that the test sets. */
function tokenAt(start: number) {
  const clock = { now: start };
  const token = new ProviderTokens(() => clock.now).for(tokenKey());
  return { clock, token };
}

test('a token is renewed after 45 minutes, and not before', () => {
  const { clock, token } = tokenAt(1_700_000_000_000);
  const first = token.current();
  clock.now += 45 * minute - 1;
  assert.equal(token.current(), first);
  clock.now += 1;
  const second = token.current();
  assert.notEqual(second, first);
  clock.now += 45 * minute - 1;
  assert.equal(token.current(), second);
});

test('a token that was signed before the clock was set back by more than a minute is renewed', () => {
  const { clock, token } = tokenAt(1_700_000_000_000);
  const first = token.current();
  clock.now -= minute;
  assert.equal(token.current(), first);
  clock.now -= 1;
  assert.notEqual(token.current(), first);
});

test('whoever was refused with the same token causes one new signature together', () => {
  const { clock, token } = tokenAt(1_700_000_000_000);
  const refused = token.current();
  clock.now += 20 * minute;
  for (let i = 0; i < 1000; i += 1) assert.equal(token.signAgain(refused), undefined);
  const second = token.current();
  assert.notEqual(second, refused);
  assert.equal(token.signAgain(refused), undefined);
  assert.equal(token.current(), second);
});

test('a token is not signed again within 20 minutes: if Apple calls it expired, our clock is wrong', () => {
  const { clock, token } = tokenAt(1_700_000_000_000);
  const first = token.current();
  clock.now += 20 * minute - 1;
  const error = token.signAgain(first);
  assert.equal(error?.code, 'CREDENTIALS');
  assert.equal(
    error?.message,
    "Apple answered 403 ExpiredProviderToken to a token signed 1200 seconds ago: the clock of the daemon's machine must be wrong",
  );
  assert.equal(token.current(), first);
});
