import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ClosedError, DaemonUnavailableError, type Receipt } from '../../src/index.js';
import { Fault } from '../../src/rpc/faults.js';
import {
  app,
  clientOf,
  countOf,
  except,
  held,
  mostAtOnce,
  sentIds,
  silence,
  token,
  until,
} from '../support/clients.js';
import { freePort, goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';

test('close ends every state with ClosedError for what waits, and leaves no handle: the process ends', async () => {
  await using good = await scriptedDaemon(goodDaemon);
  await using silent = await scriptedDaemon(silence);
  await using busy = await scriptedDaemon(() => new Fault(503, 'busy'));
  const away = `http://127.0.0.1:${await freePort()}/`;
  const program = join(import.meta.dirname, '../support/closing-app.ts');
  const argv = ['--import', 'tsx', program, good.url, silent.url, busy.url, away];
  // Nobody ends it: where a handle is left, the time limit of the test file does.
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(errors, '');
  assert.deepEqual(out.trim().split('\n'), [
    'idle:',
    'used: accepted',
    'waiting for the provisioning: ClosedError',
    'waiting for room: ClosedError OverloadedError',
    'between repeats: ClosedError',
    'in an outage: ClosedError',
    'waiting: DeadlineError',
  ]);
  assert.deepEqual(await ended, [0, null]);
});

test('close lets what is at the daemon finish, and rejects what stands in the queue behind it', async () => {
  const slow = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', slow));
  const client = clientOf(daemon.url);
  await client.provision();
  const calls = Array.from({ length: mostAtOnce + 8 }, () => client.notify(token, 'x'));
  const results = Promise.allSettled(calls);
  await until(() => countOf(daemon.methods(), 'apnsd.send') === 32);
  let done = false;
  const closed = client.close().then(() => {
    done = true;
  });
  for (const call of calls.slice(mostAtOnce)) await assert.rejects(call, ClosedError);
  assert.equal(done, false);
  slow.release();
  await closed;
  const statuses = (await results).map((result) =>
    result.status === 'fulfilled' ? (result.value as Receipt).status : result.reason.code,
  );
  assert.deepEqual(statuses, [...Array(mostAtOnce).fill('accepted'), ...Array(8).fill('CLOSED')]);
  assert.equal(sentIds(daemon).length, mostAtOnce);
});

test('close waits for a daemon that hangs no longer than timeoutMs', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', silence));
  const client = clientOf(daemon.url, { timeoutMs: 400 });
  const call = client.notify(token, 'x');
  const rejected = assert.rejects(call, (error: Error) => {
    assert.ok(error instanceof ClosedError);
    assert.ok(error.cause instanceof DaemonUnavailableError);
    return true;
  });
  await until(() => daemon.methods().includes('apnsd.send'));
  await client.close();
  await rejected;
  assert.deepEqual(daemon.methods(), ['apnsd.provision', 'apnsd.send']);
});

test('close after new options waits for what is at the old host too', async () => {
  const slow = held(goodDaemon);
  await using first = await scriptedDaemon(except('apnsd.send', slow));
  await using second = await scriptedDaemon(silence);
  const client = clientOf(first.url);
  const underWay = client.notify(token, 'x');
  await until(() => first.methods().includes('apnsd.send'));
  client.configure({ host: second.url, initial: [app] });
  const waiting = assert.rejects(client.notify(token, 'x'), ClosedError);
  const closed = client.close();
  await waiting;
  slow.release();
  assert.equal((await underWay).status, 'accepted');
  await closed;
});

test('a closed client refuses every call', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  const client = clientOf(daemon.url);
  await client.close();
  await assert.rejects(client.notify(token, 'x'), ClosedError);
  await assert.rejects(client.feedback(), ClosedError);
  await assert.rejects(client.provision(), ClosedError);
  await assert.rejects(client.ready(), ClosedError);
  assert.equal(client.closed, true);
  assert.deepEqual(daemon.methods(), []);
});
