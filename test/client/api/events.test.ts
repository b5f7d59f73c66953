import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import {
  type Client,
  type ClientEvents,
  configure,
  DaemonUnavailableError,
  NotConfiguredError,
  notify,
} from '../../../src/index.js';
import { Fault } from '../../../src/rpc/faults.js';
import {
  app,
  clientOf,
  countOf,
  cut,
  except,
  forgetful,
  held,
  sentIds,
  silence,
  token,
  until,
} from '../../support/clients.js';
import {
  acceptAll,
  answerEach,
  freePort,
  goodDaemon,
  scriptedDaemon,
} from '../../support/scripted-daemon.js';

/** All that a client tells, by name, in order. */
function told(client: Client) {
  const events: { [Name in keyof ClientEvents]: ClientEvents[Name][0][] } = {
    healing: [],
    healed: [],
    retry: [],
    rejected: [],
    overloaded: [],
  };
  const names: (keyof ClientEvents)[] = [];
  for (const name of Object.keys(events) as (keyof ClientEvents)[]) {
    // The types can't follow a name that is a variable.
    (client as EventEmitter).on(name, (event: unknown) => {
      names.push(name);
      events[name].push(event as never);
    });
  }
  return { ...events, names };
}

test("the listeners of the options hear as those of the client do, and make way for the next configure's", async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  daemon.script = except('apnsd.send', (call) =>
    answerEach(call, (_, id) => ({
      status: 'rejected',
      id,
      reason: 'Unregistered',
      httpStatus: 410,
    })),
  );
  const heard: string[] = [];
  const load = (name: string) =>
    configure({
      host: daemon.url,
      initial: [app],
      on: { rejected: ({ reason }) => heard.push(`${name} ${reason}`) },
    });
  await using client = load('first');
  client.on('rejected', () => heard.push('client.on'));
  // As a framework does that loads the module again with each change of a file; Node would warn of eleven listeners.
  for (let reload = 2; reload < 30; reload += 1) load(`${reload}.`);
  load('last');
  await notify(token, 'x');
  await new Promise(setImmediate);
  assert.deepEqual(heard, ['last Unregistered', 'client.on']);
  assert.equal(client.listenerCount('rejected'), 1);
  configure({ host: daemon.url, initial: [app] });
  await notify(token, 'x');
  await new Promise(setImmediate);
  assert.deepEqual(heard.slice(2), ['client.on']);
});

test('a call that nothing happens to tells nothing', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const { names } = told(client);
  await client.notify(token, 'x');
  assert.deepEqual(names, []);
});

test('an app that the daemon forgot is one healing and one healed, whoever met it', async () => {
  const script = forgetful(428);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  script.forget();
  const { healing, healed, retry, names } = told(client);
  await Promise.all(Array.from({ length: 20 }, () => client.notify(token, 'x')));
  assert.equal(healing.length, 1);
  assert.ok(healing[0]?.cause instanceof NotConfiguredError);
  assert.equal(healing[0].appId, 'A');
  assert.equal(healed.length, 1);
  assert.equal(healed[0]?.cause, healing[0].cause);
  assert.equal(healed[0]?.appId, 'A');
  assert.equal(healed[0]?.attempts, 1);
  assert.equal(typeof healed[0]?.durationMs, 'number');
  assert.equal(retry.length, sentIds(daemon).length - 21);
  assert.equal(retry[0]?.appId, 'A');
  assert.equal(retry[0]?.attempts, 1);
  assert.ok(retry[0]?.error instanceof NotConfiguredError);
  assert.equal(names[0], 'healing');
});

test('an outage is one healing and one healed, with the knocks that it took, though all callers come and go', async () => {
  const port = await freePort();
  await using client = clientOf(`http://127.0.0.1:${port}/`);
  const { healing, healed } = told(client);
  for (let call = 0; call < 5; call += 1) {
    await assert.rejects(client.notify(token, 'x', null, null, { deadlineMs: 20 }));
  }
  assert.equal(healing.length, 1);
  assert.ok(healing[0]?.cause instanceof DaemonUnavailableError);
  assert.equal('appId' in healing[0], false);
  assert.equal(healed.length, 0);
  await using daemon = await scriptedDaemon(goodDaemon, port);
  await client.notify(token, 'x');
  assert.equal(healing.length, 1);
  assert.equal(healed.length, 1);
  assert.equal(healed[0]?.cause, healing[0].cause);
  assert.ok(healed[0]?.attempts > 1, `${healed[0]?.attempts}`);
  assert.ok(healed[0]?.durationMs >= 80, `${healed[0]?.durationMs}`);
  assert.equal(countOf(daemon.methods(), 'system.listMethods'), 1);
});

test('a provisioning that fails for the time being is a healing of that app alone', async () => {
  let left = 3;
  await using daemon = await scriptedDaemon(
    except('apnsd.provision', (call, response) => {
      left -= 1;
      return left >= 0 ? new Fault(-32500, 'internal') : goodDaemon(call, response);
    }),
  );
  await using client = clientOf(daemon.url);
  const { healing, healed, retry } = told(client);
  await Promise.all(Array.from({ length: 50 }, () => client.notify(token, 'x')));
  assert.equal(countOf(daemon.methods(), 'apnsd.provision'), 4);
  assert.equal(countOf(daemon.methods(), 'system.listMethods'), 0);
  assert.deepEqual([healing.length, healed.length, retry.length], [1, 1, 0]);
  assert.deepEqual([healing[0]?.appId, healed[0]?.attempts], ['A', 3]);
});

test("Apple's no comes as rejected, with the receipt", async () => {
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) => {
      const [{ id }] = JSON.parse(acceptAll(call));
      const no = { status: 'rejected', id, reason: 'Unregistered', httpStatus: 410 };
      return JSON.stringify([no]);
    }),
  );
  await using client = clientOf(daemon.url);
  const rejected = once(client, 'rejected');
  const receipt = await client.notify(token, 'x');
  assert.deepEqual(await rejected, [receipt]);
  assert.equal(receipt.status, 'rejected');
});

test('overloaded comes once until there is room again', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url, { maxPending: 2 });
  const { overloaded } = told(client);
  // In the second round the daemon answers at once; the calls are made in one turn all the same.
  for (const round of [1, 2]) {
    const calls = Promise.all([client.notify(token, 'x'), client.notify(token, 'x')]);
    for (let more = 0; more < 3; more += 1) await assert.rejects(client.notify(token, 'x'));
    await until(() => overloaded.length === round);
    script.release();
    await calls;
  }
  assert.deepEqual(overloaded, [{ pending: 2 }, { pending: 2 }]);
});

test('a listener that throws is an uncaught exception, and no call fails or hangs by it', async () => {
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  const thrown: unknown[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error));
  try {
    for (const name of ['healing', 'healed', 'retry', 'rejected'] as const) {
      client.on(name, () => {
        throw name;
      });
    }
    await client.notify(token, 'before');
    script.forget();
    assert.equal((await client.notify(token, 'x')).status, 'accepted');
    daemon.script = except('apnsd.send', (call) => {
      const [{ id }] = JSON.parse(acceptAll(call));
      return JSON.stringify([{ status: 'rejected', id, reason: 'BadTopic', httpStatus: 400 }]);
    });
    assert.equal((await client.notify(token, 'x')).status, 'rejected');
    daemon.script = except('apnsd.send', cut);
    await assert.rejects(client.notify(token, 'x', null, null, { deadlineMs: 50 }));
    await until(() => thrown.includes('rejected') && thrown.includes('retry'));
    assert.deepEqual(new Set(thrown), new Set(['healing', 'healed', 'retry', 'rejected']));
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
});

test("the process's client is listened to by what configure gives", async () => {
  await using daemon = await scriptedDaemon(silence);
  await using client = configure({ host: daemon.url, initial: [app], maxPending: 1 });
  const { overloaded } = told(client);
  const call = notify(token, 'x', null, null, { deadlineMs: 20 });
  await assert.rejects(notify(token, 'x'));
  await assert.rejects(call);
  assert.equal(overloaded.length, 1);
  assert.equal(configure({ host: daemon.url, initial: [app] }), client);
});
