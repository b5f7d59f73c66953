import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allKinds, schedule } from './schedule.js';

test('a seed gives the same plan again, another seed another one', () => {
  const plan = { seed: 7, seconds: 30, kinds: allKinds };
  assert.deepEqual(schedule(plan), schedule({ ...plan }));
  assert.notDeepEqual(schedule(plan), schedule({ ...plan, seed: 8 }));
});

test('each kind comes in a run of any length, in order and before its end', () => {
  for (const seconds of [2, 30]) {
    const tracks = schedule({ seed: 7, seconds, kinds: allKinds });
    assert.deepEqual(new Set(tracks.flat().map(({ kind }) => kind)), new Set(allKinds));
    for (const track of tracks) {
      const times = track.map(({ atMs }) => atMs);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      for (const { atMs, forMs } of track) assert.ok(atMs + forMs < seconds * 1000);
    }
  }
});

test('kinds that are not wanted do not come', () => {
  const tracks = schedule({ seed: 7, seconds: 30, kinds: ['kill', 'goAway'] });
  assert.deepEqual(new Set(tracks.flat().map(({ kind }) => kind)), new Set(['kill', 'goAway']));
});
