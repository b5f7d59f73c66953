/**
 * The rules of healing, each with its races; the names say "rule N, race: …". R: another test of this folder has it.
 *
 * | rule | concurrent | late failure | failure while healing | close while healing | abort while healing |
 * |---|---|---|---|---|---|
 * | 1: an app is provisioned once, and its calls alone wait for it | here | here | here | here | here |
 * | 2: a forgotten app is provisioned again, by who saw it fail | here, R | R | here | here | here |
 * | 3: an unreachable daemon is one repair for all | R | here | here | here | here |
 * | 4: a repeat carries the id of the first attempt | here | here | here | R | here |
 * | 5: what may not be repeated is thrown, the deadline has its cause | here | here | here | here | R |
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ApnsdError,
  ClosedError,
  CredentialsError,
  DaemonError,
  DaemonUnavailableError,
  DeadlineError,
  InvalidArgumentError,
  OverloadedError,
} from '../../src/index.js';
import { Fault } from '../../src/rpc/faults.js';
import {
  app,
  clientOf,
  countOf,
  cut,
  except,
  forgetful,
  held,
  mostAtOnce,
  sentIds,
  silence,
  token,
  until,
} from '../support/clients.js';
import {
  answerEach,
  goodDaemon,
  type Script,
  type ScriptedDaemon,
  scriptedDaemon,
} from '../support/scripted-daemon.js';
import { slammedDoor } from '../support/slammed-door.js';

const forgotten: Script = () => new Fault(404, 'who is that?');
const garbage: Script = (_, response) => void response.end('<html>');
const two = [app, { ...app, appId: 'B' }];

/** Does otherwise for one app. */
function exceptFor(appId: string, method: string, script: Script): Script {
  return except(method, (call, response) => {
    const [first] = call.params;
    const its = first === appId || Object(first).appId === appId;
    return (its ? script : goodDaemon)(call, response);
  });
}

/** Does otherwise the first time that a method is called. */
function onceAt(method: string, script: Script, others: Script = goodDaemon): Script {
  let left = 1;
  return except(method, (call, response) => (left-- > 0 ? script : others)(call, response), others);
}

function sends(daemon: ScriptedDaemon): number {
  return countOf(daemon.methods(), 'apnsd.send');
}

function provisionings(daemon: ScriptedDaemon): number {
  return countOf(daemon.methods(), 'apnsd.provision');
}

function knocks(daemon: ScriptedDaemon): number {
  return countOf(daemon.methods(), 'system.listMethods');
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (error) => error,
  );
}

test('rule 1, concurrent: the first calls of an app share its provisioning, those of another go on', async () => {
  const provision = held(goodDaemon);
  await using daemon = await scriptedDaemon(exceptFor('A', 'apnsd.provision', provision));
  await using client = clientOf(daemon.url, { initial: two });
  const waiting = Array.from({ length: 100 }, () =>
    client.notify(token, 'x', null, null, { appId: 'A' }),
  );
  await client.notify(token, 'x', null, null, { appId: 'B' });
  assert.deepEqual([provisionings(daemon), sends(daemon)], [2, 1]);
  provision.release();
  await Promise.all(waiting);
  assert.deepEqual([provisionings(daemon), new Set(sentIds(daemon)).size], [2, 101]);
  assert.equal(sentIds(daemon).length, 101);
});

test('rule 1, late failure: a provisioning of before new options does not fail the calls that wait for the new one', async () => {
  const refusal = held(() => new Fault(422, 'the certificate expired'));
  await using daemon = await scriptedDaemon(onceAt('apnsd.provision', refusal));
  await using client = clientOf(daemon.url);
  const early = client.notify(token, 'x');
  await until(() => provisionings(daemon) === 1);
  client.configure({ host: daemon.url, initial: [{ ...app, topic: 'new' }] });
  const late = client.notify(token, 'x');
  await new Promise(setImmediate);
  // The daemon goes by what it was told last: the new one waits until the old one was answered.
  assert.equal(provisionings(daemon), 1);
  refusal.release();
  for (const { status } of await Promise.all([early, late])) assert.equal(status, 'accepted');
  assert.equal(provisionings(daemon), 2);
});

test('rule 1, failure while healing: a provisioning that fails for the time being is repeated once a step, for all', async () => {
  let left = 4;
  await using daemon = await scriptedDaemon(
    exceptFor('A', 'apnsd.provision', (call, response) => {
      left -= 1;
      return left >= 0 ? new Fault(503, 'busy') : goodDaemon(call, response);
    }),
  );
  await using client = clientOf(daemon.url, { initial: two });
  const waiting = Array.from({ length: 100 }, () =>
    client.notify(token, 'x', null, null, { appId: 'A' }),
  );
  await client.notify(token, 'x', null, null, { appId: 'B' });
  const receipts = await Promise.all(waiting);
  assert.deepEqual(new Set(receipts.map(({ attempts }) => attempts)), new Set([1]));
  assert.equal(provisionings(daemon), 6);
});

test('rule 1, close while healing: who waits for a provisioning gets ClosedError', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.provision', silence));
  const client = clientOf(daemon.url);
  const waiting = Array.from({ length: 10 }, () => client.notify(token, 'x'));
  const provisioned = client.provision();
  const reasons = Promise.all([...waiting, provisioned].map(reasonOf));
  await until(() => provisionings(daemon) === 1);
  await client.close();
  for (const reason of await reasons) assert.ok(reason instanceof ClosedError, String(reason));
  assert.deepEqual(daemon.methods(), ['apnsd.provision']);
});

test('rule 1, abort while healing: who leaves a provisioning leaves it to the others', async () => {
  const provision = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.provision', provision));
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const hasty = client.notify(token, 'x', null, null, { signal });
  const patient = client.notify(token, 'x');
  await until(() => provisionings(daemon) === 1);
  controller.abort();
  assert.equal(await reasonOf(hasty), signal.reason);
  provision.release();
  assert.equal((await patient).status, 'accepted');
  assert.deepEqual(daemon.methods(), ['apnsd.provision', 'apnsd.send']);
});

test('rule 2, concurrent: two apps that are forgotten together are provisioned once each', async () => {
  const script = forgetful(428);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url, { initial: two });
  await client.provision();
  script.forget();
  daemon.calls.length = 0;
  const calls = Array.from({ length: 100 }, (_, number) =>
    client.notify(token, 'x', null, null, { appId: number % 2 ? 'A' : 'B' }),
  );
  for (const { status } of await Promise.all(calls)) assert.equal(status, 'accepted');
  assert.equal(provisionings(daemon), 2);
});

test('rule 2, failure while healing: a daemon that dies at the provisioning is waited for, and told again', async () => {
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  script.forget();
  daemon.calls.length = 0;
  let dying = 2;
  daemon.script = except(
    'apnsd.provision',
    (call, response) => (dying-- > 0 ? cut : script)(call, response),
    script,
  );
  const receipts = await Promise.all(
    Array.from({ length: 50 }, () => client.notify(token, 'after')),
  );
  for (const { status } of receipts) assert.equal(status, 'accepted');
  // Cut on the kept connection, at once on a new one, and taken after the repair.
  assert.deepEqual([provisionings(daemon), knocks(daemon)], [3, 1]);
});

test('rule 2, close while healing: nothing is repeated, and ClosedError says what for', async () => {
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  const client = clientOf(daemon.url);
  await client.notify(token, 'before');
  daemon.calls.length = 0;
  daemon.script = except('apnsd.provision', silence, forgotten);
  const reason = reasonOf(client.notify(token, 'after'));
  await until(() => provisionings(daemon) === 1);
  await client.close();
  const error = await reason;
  assert.ok(error instanceof ClosedError);
  assert.equal((error.cause as ApnsdError).code, 'UNKNOWN_APP_ID');
  assert.deepEqual(daemon.methods(), ['apnsd.send', 'apnsd.provision']);
});

test('rule 2, abort while healing: the app is provisioned all the same, for the next', async () => {
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  script.forget();
  daemon.calls.length = 0;
  const provision = held(script);
  daemon.script = except('apnsd.provision', provision, script);
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = reasonOf(client.notify(token, 'after', null, null, { signal }));
  await until(() => provisionings(daemon) === 1);
  controller.abort();
  assert.equal(await aborted, signal.reason);
  provision.release();
  await client.notify(token, 'next');
  assert.deepEqual(daemon.methods(), ['apnsd.send', 'apnsd.provision', 'apnsd.send']);
});

test('rule 3, late failure: what failed of before the repair is repeated, and is no new outage', async () => {
  const late = held(garbage);
  await using daemon = await scriptedDaemon(onceAt('apnsd.send', late));
  await using client = clientOf(daemon.url);
  const outages: unknown[] = [];
  client.on('healing', ({ cause }) => outages.push(cause));
  const slow = client.notify(token, 'slow');
  await until(() => sends(daemon) === 1);
  const healed = daemon.script;
  let falls = true;
  daemon.script = except(
    'apnsd.send',
    (call, response) => (falls ? garbage : healed)(call, response),
    (call, response) => {
      falls = false;
      return goodDaemon(call, response);
    },
  );
  await client.notify(token, 'quick');
  assert.equal(outages.length, 1);
  late.release();
  assert.equal((await slow).attempts, 2);
  assert.equal(outages.length, 1);
  assert.deepEqual([knocks(daemon), provisionings(daemon)], [1, 2]);
});

test('rule 3, failure while healing: a daemon that falls again after the knock is one more outage, with pauses that grow', async () => {
  let falls = 4;
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call, response) => (falls-- > 0 ? cut : goodDaemon)(call, response)),
  );
  await using client = clientOf(daemon.url, {
    retry: { firstDelayMs: 40, factor: 2, maxDelayMs: 1000 },
  });
  const from = Date.now();
  const receipt = await client.notify(token, 'x');
  // The knocks came at once, after 20 to 40 ms and after 40 to 80 ms; a cut on a kept connection is repeated at once.
  assert.equal(sends(daemon), 5);
  assert.ok(receipt.attempts < 5);
  assert.ok(knocks(daemon) >= 2);
  assert.ok(Date.now() - from >= 20);
});

test('rule 3, failure while healing: a daemon that says it is leaving is no daemon yet', async () => {
  let leaving = 3;
  await using daemon = await scriptedDaemon(onceAt('apnsd.provision', cut));
  const there = daemon.script;
  daemon.script = except(
    'system.listMethods',
    () => (leaving-- > 0 ? new Fault(503, 'shutting down') : []),
    there,
  );
  await using client = clientOf(daemon.url);
  await client.notify(token, 'x');
  assert.equal(knocks(daemon), 4);
});

test('rule 3, close while healing: a knock that hangs holds nobody', async () => {
  await using daemon = await scriptedDaemon(
    except('system.listMethods', silence, (_, response) => void response.destroy()),
  );
  const client = clientOf(daemon.url);
  const reasons = Promise.all(
    Array.from({ length: 10 }, () => reasonOf(client.notify(token, 'x'))),
  );
  await until(() => knocks(daemon) === 1);
  await client.close();
  for (const reason of await reasons) {
    assert.ok(reason instanceof ClosedError);
    assert.ok(reason.cause instanceof DaemonUnavailableError);
  }
});

test('rule 3, abort while healing: when the last has left nobody knocks, and the next goes on where they were', async () => {
  const door = await slammedDoor();
  await using client = clientOf(`http://127.0.0.1:${door.port}/`);
  const healed: number[] = [];
  client.on('healed', ({ attempts }) => healed.push(attempts));
  const controller = new AbortController();
  const { signal } = controller;
  const calls = Array.from({ length: 3 }, () => client.notify(token, 'x', null, null, { signal }));
  const reasons = Promise.all(calls.map(reasonOf));
  await until(() => door.knocks() > 2);
  controller.abort();
  assert.deepEqual(new Set(await reasons), new Set([signal.reason]));
  await door.close();
  await using daemon = await scriptedDaemon(goodDaemon, door.port);
  // Longer than the longest pause between knocks: nobody may come.
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(daemon.methods(), []);
  await client.notify(token, 'x');
  assert.deepEqual(daemon.methods(), ['system.listMethods', 'apnsd.provision', 'apnsd.send']);
  await until(() => healed.length === 1);
  assert.ok(Number(healed[0]) > 1);
});

test('rule 4, concurrent: all that was under way at a fall is repeated, each under its own id', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', silence));
  await using client = clientOf(daemon.url);
  const calls = Array.from({ length: 20 }, () => client.notify(token, 'x'));
  await until(() => sentIds(daemon).length === 20);
  const first = sentIds(daemon);
  await daemon.close();
  await using next = await scriptedDaemon(goodDaemon, daemon.port);
  const receipts = await Promise.all(calls);
  assert.equal(new Set(first).size, 20);
  assert.deepEqual(new Set(sentIds(next)), new Set(first));
  assert.deepEqual(new Set(receipts.map(({ id }) => id)), new Set(first));
});

test('rule 4, late failure: an answer that comes after the time-out finds a repeat under the same id', async () => {
  const slow = held(goodDaemon);
  await using daemon = await scriptedDaemon(onceAt('apnsd.send', slow));
  await using client = clientOf(daemon.url, { timeoutMs: 400 });
  const receipt = await client.notify(token, 'x');
  slow.release();
  assert.equal(receipt.attempts, 2);
  assert.deepEqual(sentIds(daemon), [receipt.id, receipt.id]);
  assert.equal((await client.notify(token, 'y')).attempts, 1);
});

test('rule 4, failure while healing: whatever fails in between, the id stays', async () => {
  const failures: Script[] = [
    cut,
    forgotten,
    () => new Fault(500, 'no answer'),
    () => new Fault(503, 'busy'),
    () => new Fault(-32500, 'internal'),
    garbage,
  ];
  let next = 0;
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call, response) => {
      const script = failures[next] ?? goodDaemon;
      next += 1;
      return script(call, response);
    }),
  );
  await using client = clientOf(daemon.url);
  const id = 'A1B2C3D4-0000-4000-8000-00000000000F';
  const receipt = await client.notify(token, { payload: { aps: { alert: 'x' } }, id });
  assert.equal(receipt.id, id.toLowerCase());
  assert.equal(sends(daemon), failures.length + 1);
  assert.deepEqual(new Set(sentIds(daemon)), new Set([id.toLowerCase()]));
});

test('rule 4, abort while healing: an aborted notification is repeated no more', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', cut));
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = reasonOf(client.notify(token, 'x', null, null, { signal }));
  await until(() => sends(daemon) === 2);
  controller.abort();
  assert.equal(await aborted, signal.reason);
  const before = sends(daemon);
  daemon.script = goodDaemon;
  const { id } = await client.notify(token, 'next');
  assert.deepEqual(sentIds(daemon).slice(before), [id]);
});

test('rule 5, concurrent: the final failure of one call is none of the others', async () => {
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) => {
      const failed = { status: 'failed', code: 'CREDENTIALS', message: 'InvalidProviderToken' };
      return answerEach(call, ({ payload }, id) =>
        payload.aps.alert === 'bad' ? { ...failed, id } : { status: 'accepted', id },
      );
    }),
  );
  await using client = clientOf(daemon.url);
  const messages = Array.from({ length: 40 }, (_, number) => (number % 4 ? 'good' : 'bad'));
  const results = await Promise.allSettled(messages.map((text) => client.notify(token, text)));
  for (const [number, result] of results.entries()) {
    if (messages[number] === 'good') assert.equal(result.status, 'fulfilled');
    else assert.ok(result.status === 'rejected' && result.reason instanceof CredentialsError);
  }
  assert.equal(sentIds(daemon).length, 40);
});

test('rule 5, late failure: what comes after the end of a call changes nothing', async () => {
  const late = held(() => new Fault(400, 'late'));
  await using daemon = await scriptedDaemon(onceAt('apnsd.send', late));
  await using client = clientOf(daemon.url);
  const told: unknown[] = [];
  client.on('healing', (event) => told.push(event)).on('retry', (event) => told.push(event));
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = reasonOf(client.notify(token, 'x', null, null, { signal }));
  await until(() => sends(daemon) === 1);
  controller.abort(new Error('enough'));
  assert.equal(await aborted, signal.reason);
  late.release();
  assert.equal((await client.notify(token, 'next')).attempts, 1);
  // The signal of calls that have their receipts may be aborted too.
  const done = new AbortController();
  const receipt = client.notify(token, 'x', null, null, { signal: done.signal });
  assert.equal((await receipt).status, 'accepted');
  done.abort();
  assert.deepEqual(told, []);
});

test('rule 5, failure while healing: the deadline has the last error for its cause, in whatever state', async () => {
  const rows: [string, Script, new (message: string) => ApnsdError, RegExp][] = [
    ['no answer to the provisioning', silence, DaemonUnavailableError, /not answered yet/],
    ['no answer', except('apnsd.send', silence), DaemonUnavailableError, /not answered yet/],
    [
      'no answer after an error',
      onceAt('apnsd.provision', cut, silence),
      DaemonUnavailableError,
      /hang up/,
    ],
    ['busy', except('apnsd.send', () => new Fault(503, 'busy')), OverloadedError, /^busy$/],
    ['internal', () => new Fault(-32500, 'internal'), DaemonError, /^internal$/],
    ['knocking', cut, DaemonUnavailableError, /hang up/],
  ];
  for (const [name, script, errorClass, reason] of rows) {
    await using daemon = await scriptedDaemon(script);
    await using client = clientOf(daemon.url);
    const error = await reasonOf(client.notify(token, 'x', null, null, { deadlineMs: 150 }));
    assert.ok(error instanceof DeadlineError, `${name}: ${error}`);
    assert.ok(error.cause instanceof errorClass, `${name}: ${error.cause}`);
    assert.match(error.cause.message, reason, name);
    assert.equal(error.message, `no success within 150 ms: ${error.cause.message}`);
  }
});

test('rule 5, deadline: a call that stood in the queue says so, and the impatience of one call is no outage', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', script));
  await using client = clientOf(daemon.url);
  await client.provision();
  const ahead = Array.from({ length: mostAtOnce }, () => client.notify(token, 'x'));
  await until(() => sends(daemon) === 32);
  const last = await reasonOf(client.notify(token, 'x', null, null, { deadlineMs: 50 }));
  assert.match(String(last), /^DeadlineError: no success within 50 ms: it was not its turn yet$/);
  script.release();
  await Promise.all(ahead);
  daemon.script = except('apnsd.send', silence);
  await reasonOf(client.notify(token, 'x', null, null, { deadlineMs: 50 }));
  assert.equal(knocks(daemon), 0);
});

test('rule 5, close while healing: a final failure of what was under way is thrown as it is', async () => {
  const late = held(() => new Fault(400, 'the payload is bad'));
  await using daemon = await scriptedDaemon(except('apnsd.send', late));
  const client = clientOf(daemon.url);
  const reason = reasonOf(client.notify(token, 'x'));
  await until(() => sends(daemon) === 1);
  const closed = client.close();
  late.release();
  assert.ok((await reason) instanceof InvalidArgumentError);
  await closed;
});
