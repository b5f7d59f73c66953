import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Digest, Fingerprint } from '../../../src/daemon/dedup/fingerprint.js';

const app = new Digest('com.example.app');

function tokenOf(): string {
  return randomBytes(32).toString('hex');
}

test('the same app, token and id have equal fingerprints', () => {
  const [token, id] = [tokenOf(), randomUUID()];
  const [one, other] = [app, new Digest('com.example.app')].map(
    (digest) => new Fingerprint(digest, token, id),
  );
  assert.ok(other && one?.equals(other));
  assert.equal(one?.hash, other?.hash);
});

test('one digit of the id, one of the token, or another app makes another fingerprint', () => {
  const [token, id] = [tokenOf(), randomUUID()];
  const fingerprint = new Fingerprint(app, token, id);
  const changed = (text: string, at: number) => {
    const digit = text[at] === '0' ? '1' : '0';
    return text.slice(0, at) + digit + text.slice(at + 1);
  };
  const others = [new Fingerprint(new Digest('com.example.other'), token, id)];
  for (let at = 0; at < id.length; at += 1) {
    if (id[at] !== '-') others.push(new Fingerprint(app, token, changed(id, at)));
  }
  for (let at = 0; at < token.length; at += 1) {
    others.push(new Fingerprint(app, changed(token, at), id));
  }
  others.push(new Fingerprint(app, `${token}00`, id), new Fingerprint(app, '', id));
  assert.ok(others.every((other) => !other.equals(fingerprint)));
});

test('digests of texts that differ are different, of equal ones equal', () => {
  const texts = Array.from({ length: 20_000 }, (_, number) => `{"aps":{"badge":${number}}}`);
  const digests = new Set(
    texts.map((text) => new Digest(text)).map(({ high, low }) => `${high} ${low}`),
  );
  assert.equal(digests.size, texts.length);
  assert.ok(new Digest('one').equals(new Digest('one')));
  assert.ok(!new Digest('one').equals(new Digest('two')));
});

test('ids that count up, and tokens alike, are spread over a table', () => {
  const buckets = new Set<number>();
  for (let number = 0; number < 4096; number += 1) {
    const id = `00000000-0000-0000-0000-${number.toString(16).padStart(12, '0')}`;
    buckets.add(new Fingerprint(app, 'aa', id).hash & 4095);
  }
  // Thrown at random, 4096 balls hit 63 % of 4096 boxes.
  assert.ok(buckets.size > 2000, `${buckets.size} of 4096`);
});
