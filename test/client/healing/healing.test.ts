import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  ApnsUnavailableError,
  ClosedError,
  CredentialsError,
  DaemonUnavailableError,
  DeadlineError,
  NotConfiguredError,
  ProtocolError,
  ProvisionError,
  UnknownAppIdError,
} from '../../../src/index.js';
import { Fault } from '../../../src/rpc/faults.js';
import { app, clientOf, countOf, forgetful, sentIds, token } from '../../support/clients.js';
import {
  acceptAll,
  freePort,
  goodDaemon,
  type Script,
  scriptedDaemon,
} from '../../support/scripted-daemon.js';
import { slammedDoor } from '../../support/slammed-door.js';

test('the first notify provisions its app, and no other; the next needs no more', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url, {
    initial: [app, { ...app, appId: 'B' }],
    defaultAppId: 'A',
  });
  const receipt = await client.notify(token, 'hello');
  assert.equal(receipt.status, 'accepted');
  assert.equal(receipt.attempts, 1);
  await client.notify(token, 'hello');
  assert.deepEqual(daemon.methods(), ['apnsd.provision', 'apnsd.send', 'apnsd.send']);
});

for (const [fault, name] of [
  [404, 'UnknownAppID'],
  [428, 'NotConfigured'],
] as const) {
  test(`after ${name} the app is provisioned again and the same id is repeated`, async () => {
    const script = forgetful(fault);
    await using daemon = await scriptedDaemon(script);
    await using client = clientOf(daemon.url);
    await client.notify(token, 'before');
    script.forget();
    daemon.calls.length = 0;
    const receipt = await client.notify(token, 'after');
    assert.deepEqual(daemon.methods(), ['apnsd.send', 'apnsd.provision', 'apnsd.send']);
    assert.equal(receipt.attempts, 2);
    assert.deepEqual(sentIds(daemon), [receipt.id, receipt.id]);
  });
}

test('an unknown app that is not in initial is thrown at once', async () => {
  await using daemon = await scriptedDaemon(() => new Fault(404, 'who?'));
  await using client = clientOf(daemon.url, { initial: [] });
  await assert.rejects(client.notify(token, 'x', null, null, { appId: 'Z' }), UnknownAppIdError);
  assert.deepEqual(daemon.methods(), ['apnsd.send']);
  daemon.script = () => new Fault(428, 'who?');
  await assert.rejects(client.notify(token, 'x', null, null, { appId: 'Z' }), NotConfiguredError);
});

test('a thousand calls at once share a few connections', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  await Promise.all(Array.from({ length: 1000 }, () => client.notify(token, 'x')));
  assert.ok(daemon.connections() <= 33, `${daemon.connections()}`);
});

test('a thousand forgotten callers cause one provisioning', async () => {
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  script.forget();
  daemon.calls.length = 0;
  const receipts = await Promise.all(
    Array.from({ length: 1000 }, (_, number) => client.notify(token, `message ${number}`)),
  );
  assert.equal(new Set(receipts.map(({ id }) => id)).size, 1000);
  assert.equal(countOf(daemon.methods(), 'apnsd.provision'), 1);
  // Those that stood in the queue when the first were told wait for the repair as well.
  assert.ok(countOf(daemon.methods(), 'apnsd.send') <= 1032);
});

test('a late failure of before the repair does not undo it', async () => {
  let answerLate = (_: Fault) => {};
  const script = forgetful(404);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  script.forget();
  daemon.script = (call, response) => {
    daemon.script = script;
    if (call.method !== 'apnsd.send') return script(call, response);
    return new Promise<Fault>((resolve) => {
      answerLate = resolve;
    });
  };
  const slow = client.notify(token, 'slow');
  while (daemon.methods().at(-1) !== 'apnsd.send' || daemon.calls.length < 3) {
    await new Promise(setImmediate);
  }
  await client.notify(token, 'quick');
  const provisionings = countOf(daemon.methods(), 'apnsd.provision');
  assert.equal(provisionings, 2);
  answerLate(new Fault(404, 'who?'));
  assert.equal((await slow).status, 'accepted');
  assert.equal(countOf(daemon.methods(), 'apnsd.provision'), provisionings);
});

test('a daemon that forgets at once, again and again, is asked ever more slowly until the deadline', async () => {
  await using daemon = await scriptedDaemon((call) =>
    call.method === 'apnsd.send' ? new Fault(404, 'who?') : null,
  );
  await using client = clientOf(daemon.url);
  const failed = client.notify(token, 'x', null, null, { deadlineMs: 300 });
  await assert.rejects(failed, (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.ok(error.cause instanceof UnknownAppIdError);
    return true;
  });
  // 5, 10, 20, 40, 40, … ms, each at least halved by the jitter: about 20 at the very most.
  assert.ok(countOf(daemon.methods(), 'apnsd.send') <= 25);
});

test('bad credentials are thrown to all that wait for that app, and to no other app', async () => {
  await using daemon = await scriptedDaemon((call) => {
    const bad = call.method === 'apnsd.provision' && Object(call.params[0]).appId === 'A';
    return bad ? new Fault(422, 'the certificate expired') : goodDaemon(call, null as never);
  });
  await using client = clientOf(daemon.url, { initial: [app, { ...app, appId: 'B' }] });
  const bad = await Promise.allSettled(
    Array.from({ length: 10 }, () => client.notify(token, 'x', null, null, { appId: 'A' })),
  );
  for (const result of bad) {
    assert.ok(result.status === 'rejected' && result.reason instanceof CredentialsError);
  }
  assert.equal(countOf(daemon.methods(), 'apnsd.provision'), 1);
  const good = await client.notify(token, 'x', null, null, { appId: 'B' });
  assert.equal(good.status, 'accepted');
});

test('provision() names each app that failed', async () => {
  await using daemon = await scriptedDaemon((call) => {
    const bad = Object(call.params[0]).appId === 'A';
    return bad ? new Fault(422, 'the certificate expired') : goodDaemon(call, null as never);
  });
  await using client = clientOf(daemon.url, { initial: [app, { ...app, appId: 'B' }] });
  await assert.rejects(client.provision(), (error: Error) => {
    assert.ok(error instanceof ProvisionError);
    assert.equal(error.message, 'not provisioned: A: the certificate expired');
    assert.ok(error.failures.get('A') instanceof CredentialsError);
    return true;
  });
  daemon.script = goodDaemon;
  await client.provision();
});

test('ten thousand waiting callers knock once a backoff step', async () => {
  const door = await slammedDoor();
  await using client = clientOf(`http://127.0.0.1:${door.port}/`, {
    retry: { firstDelayMs: 20, factor: 2, maxDelayMs: 100 },
  });
  // All but the last hundred give up before the daemon comes, which saves the test the time to serve them.
  const patience = new AbortController();
  const calls = Array.from({ length: 10_000 }, (_, number) => {
    const options = number < 9_900 ? { signal: patience.signal } : {};
    return client.notify(token, `message ${number}`, null, null, options);
  });
  const results = Promise.allSettled(calls);
  const from = Date.now();
  while (door.knocks() < 8) await new Promise((resolve) => setTimeout(resolve, 5));
  // The first attempt and the first knock come at once; then steps of at least 20 ms, all together.
  const steps = 2 + (Date.now() - from) / 20;
  assert.ok(door.knocks() <= steps + 1, `${door.knocks()} knocks in ${steps} steps`);
  patience.abort();
  await door.close();
  await using daemon = await scriptedDaemon(goodDaemon, door.port);
  const served = (await results).filter(({ status }) => status === 'fulfilled');
  assert.equal(served.length, 100);
  assert.equal(countOf(daemon.methods(), 'apnsd.provision'), 1);
  assert.equal(sentIds(daemon).length, 100);
});

test('a caller that gives up in an outage does not end it for the others', async () => {
  const port = await freePort();
  await using client = clientOf(`http://127.0.0.1:${port}/`);
  const patient = client.notify(token, 'patient');
  const hasty = client.notify(token, 'hasty', null, null, { deadlineMs: 30 });
  await assert.rejects(hasty, (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.ok(error.cause instanceof DaemonUnavailableError, String(error.cause));
    assert.match(error.message, /no success within 30 ms: .*ECONNREFUSED/);
    return true;
  });
  await using daemon = await scriptedDaemon(goodDaemon, port);
  assert.equal((await patient).status, 'accepted');
  assert.ok(daemon.methods().includes('apnsd.provision'));
});

test('a daemon that answers every notify with garbage is asked ever more slowly', async () => {
  await using daemon = await scriptedDaemon((call, response) => {
    if (call.method !== 'apnsd.send') return goodDaemon(call, response);
    response.end('<html>gateway</html>');
    return undefined;
  });
  await using client = clientOf(daemon.url);
  const failed = client.notify(token, 'x', null, null, { deadlineMs: 300 });
  await assert.rejects(failed, (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(error.message, /what is not XML-RPC/);
    return true;
  });
  assert.ok(countOf(daemon.methods(), 'apnsd.send') <= 25, `${daemon.methods().length}`);
});

test('what has no answer from Apple yet is repeated with the same id', async () => {
  let left = 3;
  await using daemon = await scriptedDaemon((call) => {
    if (call.method !== 'apnsd.send' || left === 0) return goodDaemon(call, null as never);
    left -= 1;
    const [{ id }] = JSON.parse(acceptAll(call));
    return JSON.stringify([{ status: 'failed', id, code: 'APNS_UNAVAILABLE', message: 'slow' }]);
  });
  await using client = clientOf(daemon.url);
  const receipt = await client.notify(token, 'x');
  assert.equal(receipt.attempts, 4);
  assert.deepEqual(new Set(sentIds(daemon)), new Set([receipt.id]));
  left = Number.POSITIVE_INFINITY;
  const hopeless = client.notify(token, 'x', null, null, { deadlineMs: 500 });
  await assert.rejects(hopeless, (error: Error) => error.cause instanceof ApnsUnavailableError);
});

test('a final failure is thrown as it is, and never repeated', async () => {
  const rows: [Fault | string, new (message: string) => Error][] = [
    [new Fault(400, 'bad'), (await import('../../../src/index.js')).InvalidArgumentError],
    [new Fault(401, 'bad'), (await import('../../../src/index.js')).InvalidEnvironmentError],
    [new Fault(422, 'bad'), CredentialsError],
    [new Fault(-32600, 'bad'), ProtocolError],
    [new Fault(777, 'bad'), ProtocolError],
    ['no JSON', ProtocolError],
    ['[]', ProtocolError],
    ['[{"status":"accepted","id":"another"}]', ProtocolError],
  ];
  for (const [answer, errorClass] of rows) {
    await using daemon = await scriptedDaemon((call) =>
      call.method === 'apnsd.send' ? answer : null,
    );
    await using client = clientOf(daemon.url);
    await assert.rejects(client.notify(token, 'x'), errorClass);
    assert.equal(countOf(daemon.methods(), 'apnsd.send'), 1);
  }
});

test('an abort ends a call in each state with its reason', async () => {
  const reason = new Error('enough');
  const states: [string, Script][] = [
    ['provisioning', () => undefined],
    [
      'at the daemon',
      (call, response) => (call.method === 'apnsd.send' ? undefined : goodDaemon(call, response)),
    ],
    ['between repeats', () => new Fault(503, 'busy')],
    ['in an outage', (_, response) => void response.destroy()],
  ];
  for (const [name, script] of states) {
    await using daemon = await scriptedDaemon(script);
    await using client = clientOf(daemon.url);
    const controller = new AbortController();
    const call = client.notify(token, 'x', null, null, { signal: controller.signal });
    while (daemon.calls.length < 1) await new Promise(setImmediate);
    controller.abort(reason);
    await assert.rejects(call, (error) => error === reason, name);
  }
  const aborted = { signal: AbortSignal.abort(reason) };
  await using client = clientOf('http://127.0.0.1:1/');
  await assert.rejects(client.notify(token, 'x', 1, null, aborted), (error) => error === reason);
});

test('close lets what is at the daemon finish and rejects what waits', async () => {
  let answer = (_: string) => {};
  await using daemon = await scriptedDaemon((call) => {
    if (call.method !== 'apnsd.send') return goodDaemon(call, null as never);
    return new Promise<string>((resolve) => {
      answer = () => resolve(acceptAll(call));
    });
  });
  const client = clientOf(daemon.url);
  const underWay = client.notify(token, 'x');
  while (countOf(daemon.methods(), 'apnsd.send') < 1) await new Promise(setImmediate);
  const closed = client.close();
  await assert.rejects(client.notify(token, 'late'), ClosedError);
  answer('');
  assert.equal((await underWay).status, 'accepted');
  await closed;

  const away = clientOf(`http://127.0.0.1:${await freePort()}/`);
  const waiting = Array.from({ length: 100 }, () => away.notify(token, 'x'));
  const results = Promise.allSettled(waiting);
  await once(away, 'healing');
  await away.close();
  for (const result of await results) {
    assert.ok(result.status === 'rejected' && result.reason instanceof ClosedError);
  }
});

test('close while a call fails: it is not repeated, and its error says why', async () => {
  let answer = (_: Fault) => {};
  await using daemon = await scriptedDaemon((call) => {
    if (call.method !== 'apnsd.send') return goodDaemon(call, null as never);
    return new Promise<Fault>((resolve) => {
      answer = resolve;
    });
  });
  const client = clientOf(daemon.url);
  const call = client.notify(token, 'x');
  while (countOf(daemon.methods(), 'apnsd.send') < 1) await new Promise(setImmediate);
  const closed = client.close();
  answer(new Fault(404, 'who?'));
  await assert.rejects(call, (error: Error) => {
    assert.ok(error instanceof ClosedError);
    assert.ok(error.cause instanceof UnknownAppIdError);
    return true;
  });
  await closed;
});
