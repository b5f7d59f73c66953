import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainlyAccepted, type Verdict } from '../../../src/apns/verdict.js';
import { Digest, Fingerprint } from '../../../src/daemon/dedup/fingerprint.js';
import { KeptAnswers } from '../../../src/daemon/dedup/kept-answers.js';

const app = new Digest('app');
const payloads = ['one', 'two'].map((text) => new Digest(text));

/** Few, so that many answers are to the same. */
const fingerprints = Array.from({ length: 12 }, (_, number) => {
  const id = `1b9a1c6e-5f0f-4a53-9d3c-${number.toString(16).padStart(12, '0')}`;
  return new Fingerprint(app, 'aa11', id);
});

const verdicts: Verdict[] = [
  plainlyAccepted,
  { kind: 'accepted', uniqueId: 'unique' },
  { kind: 'rejected', reason: 'BadTopic', httpStatus: 400 },
];

/** What is kept, as a list that is looked through from its end. */
class Model {
  list: { to: number; payload: number; verdict: number; givenAt: number }[] = [];
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  find(to: number) {
    return this.list.findLast((kept) => kept.to === to);
  }

  keep(kept: Model['list'][0]): boolean {
    this.list.push(kept);
    const full = this.list.length > this.limit;
    if (full) this.list.shift();
    return !full;
  }
}

const steps = fc.array(
  fc.record({
    to: fc.nat(fingerprints.length - 1),
    payload: fc.nat(payloads.length - 1),
    verdict: fc.nat(verdicts.length - 1),
    pauseMs: fc.nat(30),
  }),
  { maxLength: 200 },
);

test('the newest answers are found, each as it was given, and no other', () => {
  fc.assert(
    fc.property(fc.nat(9), steps, (limit, answers) => {
      const kept = new KeptAnswers(limit);
      const model = new Model(limit);
      let now = 0;
      for (const { to, payload, verdict, pauseMs } of answers) {
        now += pauseMs;
        kept.forget(now - 100);
        model.list = model.list.filter(({ givenAt }) => givenAt > now - 100);
        for (const [other, fingerprint] of fingerprints.entries()) {
          const expected = model.find(other);
          const found = kept.find(fingerprint, payloads[payload] as Digest);
          assert.equal(found !== undefined, expected !== undefined);
          if (!found || !expected) continue;
          assert.equal(found.samePayload, expected.payload === payload);
          assert.deepEqual(found.verdict, verdicts[expected.verdict]);
        }
        const had = kept.keep(
          fingerprints[to] as Fingerprint,
          payloads[payload] as Digest,
          verdicts[verdict] as Verdict,
          now,
        );
        assert.equal(had, model.keep({ to, payload, verdict, givenAt: now }));
        assert.equal(kept.size, model.list.length);
      }
    }),
  );
});
