import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosedError, OverloadedError } from '../../../src/index.js';
import { clientOf, held, sentIds, silence, token } from '../../support/clients.js';
import { goodDaemon, scriptedDaemon } from '../../support/scripted-daemon.js';

test('calls beyond maxPending are refused at once, and nothing of them is sent', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url, { maxPending: 3 });
  const calls = Array.from({ length: 10 }, () => client.notify(token, 'x'));
  const refused = await Promise.allSettled(calls.slice(3));
  for (const result of refused) {
    assert.ok(result.status === 'rejected' && result.reason instanceof OverloadedError);
    assert.equal(result.reason.message, '3 calls are pending, expected fewer than maxPending, 3');
  }
  await assert.rejects(client.feedback(), OverloadedError);
  script.release();
  for (const { status } of await Promise.all(calls.slice(0, 3))) assert.equal(status, 'accepted');
  assert.equal(sentIds(daemon).length, 3);
});

test('ready resolves at once where there is room, and else when there is', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url, { maxPending: 1 });
  await client.ready();
  const call = client.notify(token, 'x');
  let ready = false;
  const told = client.ready().then(() => {
    ready = true;
  });
  await new Promise(setImmediate);
  assert.equal(ready, false);
  script.release();
  await call;
  await told;
});

test('many producers that await ready before each call are never refused', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url, { maxPending: 4 });
  const produce = async () => {
    for (let count = 0; count < 10; count += 1) {
      await client.ready();
      assert.equal((await client.notify(token, 'x')).status, 'accepted');
    }
  };
  await Promise.all(Array.from({ length: 20 }, produce));
});

test('who is told of room and does not take it keeps nobody else waiting', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url, { maxPending: 1 });
  const call = client.notify(token, 'x');
  const told = Array.from({ length: 10 }, () => client.ready());
  script.release();
  await call;
  await Promise.all(told);
});

test('new options may make room', async () => {
  await using daemon = await scriptedDaemon(silence);
  await using client = clientOf(daemon.url, { maxPending: 1, deadlineMs: 100 });
  const call = client.notify(token, 'x');
  const ready = client.ready();
  client.configure({ host: daemon.url, maxPending: 2 });
  await ready;
  await assert.rejects(call);
});

test('a wait for room ends with the reason of its signal, and with ClosedError at the close', async () => {
  await using daemon = await scriptedDaemon(silence);
  const client = clientOf(daemon.url, { maxPending: 1 });
  const call = client.notify(token, 'x');
  const reason = new Error('enough');
  const controller = new AbortController();
  const aborted = client.ready({ signal: controller.signal });
  const closed = client.ready();
  controller.abort(reason);
  await assert.rejects(aborted, (error) => error === reason);
  await assert.rejects(client.ready({ signal: controller.signal }), (error) => error === reason);
  const ends = Promise.allSettled([call, closed]);
  await client.close();
  for (const end of await ends) {
    assert.ok(end.status === 'rejected' && end.reason instanceof ClosedError);
  }
  await assert.rejects(client.ready(), ClosedError);
});
