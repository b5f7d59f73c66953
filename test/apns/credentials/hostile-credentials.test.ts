import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredentials } from '../../../src/apns/credentials/credentials.js';
import { CredentialsError, OverloadedError } from '../../../src/errors.js';
import {
  derived,
  type HostileCredentials,
  quicklyRefused,
  slowCertificate,
} from '../../support/hostile-credentials.js';

const environment = 'sandbox' as const;

/** Far above what any of them takes, far below what each took. */
const MOST_MS = 1000;

/** The longest that the event loop was held up meanwhile, in milliseconds. */
async function heldUp(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  await work();
  longest = Math.max(longest, performance.now() - last);
  clearInterval(timer);
  return longest;
}

async function refused({ source, says, name }: HostileCredentials): Promise<void> {
  await assert.rejects(readCredentials({ environment, ...source }), (error: Error) => {
    assert.ok(error instanceof CredentialsError, `${name}: ${error.stack}`);
    assert.match(error.message, says, name);
    assert.ok(error.message.length < 2000, name);
    return true;
  });
}

for (const hostile of quicklyRefused) {
  test(`${hostile.name}: refused at once`, async () => {
    const before = performance.now();
    await refused(hostile);
    const took = performance.now() - before;
    assert.ok(took < MOST_MS, `it took ${took} ms`);
  });
}

test('names are looked up while many keys are derived', async () => {
  const ended = new AbortController();
  const [, one] = derived;
  const before = performance.now();
  const many = Array.from({ length: 8 }, () =>
    readCredentials({ environment, ...one?.source }, Date.now(), ended.signal).catch(() => {}),
  );
  let took = 0;
  const first = Promise.race(many).then(() => {
    took = performance.now() - before;
  });
  let longest = 0;
  while (took === 0) {
    const asked = performance.now();
    await lookup('localhost');
    longest = Math.max(longest, performance.now() - asked);
  }
  ended.abort();
  await Promise.all([first, ...many]);
  assert.ok(longest < took / 2, `a name took ${longest} ms, a key ${took} ms`);
});

test('a short derivation goes before long ones that wait', async () => {
  const ended = new AbortController();
  const [, slow] = derived;
  const order: string[] = [];
  const hostile = Array.from({ length: 6 }, () =>
    readCredentials({ environment, ...slow?.source }, Date.now(), ended.signal).catch((error) =>
      order.push(error.constructor.name),
    ),
  );
  const cert = join(import.meta.dirname, 'p12/modern.p12');
  await readCredentials({ environment, cert, passphrase: 'opensesame' });
  order.push('read');
  ended.abort();
  await Promise.all(hostile);
  // The one that had begun was not stopped for it; another may have, while the file was read.
  const before = order.splice(0, order.indexOf('read') + 1);
  assert.ok(before.length <= 3, before.join(', '));
  assert.ok(order.length >= 4);
  assert.deepEqual(new Set(order), new Set(['OverloadedError']));
});

test('who is gone, or is told that the daemon stops, has no key derived, and the others go on', async () => {
  const [long] = derived;
  const gone = new AbortController();
  const called = Array.from({ length: 101 }, () =>
    readCredentials({ environment, ...long?.source }, Date.now(), gone.signal),
  );
  const results = Promise.allSettled(called);
  const cert = join(import.meta.dirname, 'p12/modern.p12');
  const source = { environment, cert, passphrase: 'opensesame' };
  // Long ago begun: all that there is room for wait, and one runs.
  await assert.rejects(async () => {
    for (;;) await readCredentials(source);
  }, new OverloadedError('100 keys wait to be derived, which is the limit'));
  gone.abort();
  for (const result of await results) {
    assert.ok(result.status === 'rejected' && result.reason instanceof OverloadedError);
  }
  await readCredentials(source);
  await assert.rejects(
    readCredentials(source, Date.now(), gone.signal),
    new OverloadedError('the key is not derived: the daemon stops, or its caller is gone'),
  );
});

test('a certificate that is slow to look at is taken, and others come in between a hundred of them', async () => {
  const longest = await heldUp(() =>
    Promise.all(
      Array.from({ length: 100 }, () => readCredentials({ environment, cert: slowCertificate })),
    ),
  );
  assert.ok(longest < MOST_MS, `others waited ${longest} ms`);
});
