import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClosedError, ConfigError, configure, createClient } from '../../src/index.js';
import {
  app,
  clientOf,
  countOf,
  cut,
  except,
  held,
  mostAtOnce,
  sentIds,
  token,
  until,
} from '../support/clients.js';
import { goodDaemon, scriptedDaemon } from '../support/scripted-daemon.js';
import { slammedDoor } from '../support/slammed-door.js';

test('configure does no I/O, however often', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using mine = createClient({ host: daemon.url, initial: [app] });
  mine.configure({ host: daemon.url, initial: [{ ...app, topic: 'new' }] });
  await using shared = configure({ host: daemon.url, initial: [app] });
  assert.equal(configure({ host: daemon.url, initial: [] }), shared);
  // Another client's call goes there and back; so would theirs have.
  await using other = clientOf(daemon.url);
  await other.notify(token, 'x');
  assert.equal(daemon.connections(), 1);
});

test('new options take effect at once, and what did not change is not provisioned again', async () => {
  await using first = await scriptedDaemon(goodDaemon);
  await using second = await scriptedDaemon(goodDaemon);
  await using client = clientOf(first.url, { initial: [app, { ...app, appId: 'B' }] });
  await client.notify(token, 'x', null, null, { appId: 'A' });
  await client.notify(token, 'x', null, null, { appId: 'B' });
  first.calls.length = 0;
  client.configure({ host: first.url, initial: [app, { ...app, appId: 'B', topic: 'new' }] });
  await client.notify(token, 'x', null, null, { appId: 'A' });
  await client.notify(token, 'x', null, null, { appId: 'B' });
  assert.deepEqual(first.methods(), ['apnsd.send', 'apnsd.provision', 'apnsd.send']);
  client.configure({ host: second.url, initial: [app] });
  await client.notify(token, 'x');
  assert.deepEqual(second.methods(), ['apnsd.provision', 'apnsd.send']);
});

test('what is at the old host finishes there, what waits for its turn goes to the new one', async () => {
  const old = held(goodDaemon);
  await using first = await scriptedDaemon(except('apnsd.send', old));
  await using second = await scriptedDaemon(goodDaemon);
  await using client = clientOf(first.url);
  await client.provision();
  const calls = Array.from({ length: mostAtOnce + 18 }, () => client.notify(token, 'x'));
  await until(() => countOf(first.methods(), 'apnsd.send') === 32);
  client.configure({ host: second.url, initial: [app] });
  old.release();
  for (const { attempts } of await Promise.all(calls)) assert.equal(attempts, 1);
  assert.equal(sentIds(first).length, mostAtOnce);
  assert.equal(sentIds(second).length, 18);
});

test('new credentials do not disturb what is at the daemon, and come before the next call', async () => {
  const slow = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', slow));
  await using client = clientOf(daemon.url);
  const underWay = client.notify(token, 'x');
  await until(() => daemon.methods().includes('apnsd.send'));
  daemon.script = goodDaemon;
  client.configure({ host: daemon.url, initial: [{ ...app, topic: 'new' }] });
  await client.notify(token, 'x');
  const provisioned = daemon.calls.filter(({ method }) => method === 'apnsd.provision');
  const topics = provisioned.map(({ params }) => Object(params[0]).topic);
  assert.deepEqual(topics, [undefined, 'new']);
  assert.equal(daemon.methods().at(-1), 'apnsd.send');
  slow.release();
  assert.equal((await underWay).attempts, 1);
});

test('who waits for a host that is away goes to a new one at once', async () => {
  await using door = await slammedDoor();
  await using client = clientOf(`http://127.0.0.1:${door.port}/`, {
    retry: { firstDelayMs: 1_000_000, maxDelayMs: 1_000_000 },
  });
  const healed: unknown[] = [];
  client.on('healed', (event) => healed.push(event));
  const call = client.notify(token, 'x');
  // The call and one knock were in vain, and the pause after it is long.
  await until(() => door.knocks() === 2);
  await using daemon = await scriptedDaemon(goodDaemon);
  client.configure({ host: daemon.url, initial: [app] });
  assert.equal((await call).status, 'accepted');
  assert.equal(healed.length, 1);
});

test('a late failure of the old host is no outage of the new one', async () => {
  const late = held(cut);
  await using first = await scriptedDaemon(except('apnsd.send', late));
  await using second = await scriptedDaemon(goodDaemon);
  await using client = clientOf(first.url);
  const call = client.notify(token, 'x');
  await until(() => first.methods().includes('apnsd.send'));
  client.configure({ host: second.url, initial: [app] });
  await client.notify(token, 'x');
  late.release();
  assert.equal((await call).attempts, 2);
  assert.deepEqual(second.methods(), ['apnsd.provision', 'apnsd.send', 'apnsd.send']);
});

test('wrong options leave the old ones, and a closed client takes none', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  const client = clientOf(daemon.url);
  assert.throws(() => client.configure({ host: 'ftp://nowhere' }), ConfigError);
  assert.equal((await client.notify(token, 'x')).status, 'accepted');
  await client.close();
  assert.throws(() => client.configure({ host: daemon.url }), ClosedError);
});
