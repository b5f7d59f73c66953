import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadlineError } from '../../src/index.js';
import { app, clientOf, countOf, cut, except, held, token, until } from '../support/clients.js';
import { goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';

const dayMs = 86_400_000;

/** Sets the system's clock, as JavaScript sees it, until it is disposed of. */
function clockStep(ms: number): Disposable {
  const { now } = Date;
  Date.now = () => now() + ms;
  return {
    [Symbol.dispose]: () => {
      Date.now = now;
    },
  };
}

for (const [name, step] of [
  ['back', -dayMs],
  ['forward', dayMs],
] as const) {
  test(`a clock that is set ${name} a day in an outage leaves the client alive`, async () => {
    await using daemon = await scriptedDaemon(cut);
    await using client = clientOf(daemon.url);
    const controller = new AbortController();
    const { signal } = controller;
    const first = client.notify(token, 'x', null, null, { signal });
    // The repair has knocked in vain, and rests. With whoever waited it ends, and the next to come starts it again.
    await until(() => countOf(daemon.methods(), 'system.listMethods') > 1);
    controller.abort();
    await assert.rejects(first);
    using _ = clockStep(step);
    daemon.script = goodDaemon;
    const second = client.notify(token, 'x', null, null, { deadlineMs: 10_000 });
    assert.equal((await second).status, 'accepted');
  });

  test(`a clock that is set ${name} a day while calls are under way ends none early and none late`, async () => {
    const slow = held(goodDaemon);
    await using daemon = await scriptedDaemon(except('apnsd.send', slow));
    await using client = clientOf(daemon.url, { initial: [app] });
    const patient = client.notify(token, 'x');
    await until(() => countOf(daemon.methods(), 'apnsd.send') === 1);
    using _ = clockStep(step);
    const begun = performance.now();
    const impatient = client.notify(token, 'x', null, null, { deadlineMs: 100 });
    await assert.rejects(impatient, DeadlineError);
    assert.ok(performance.now() - begun >= 100);
    slow.release();
    assert.equal((await patient).attempts, 1);
  });
}
