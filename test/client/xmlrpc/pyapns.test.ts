import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialsError, InvalidArgumentError, ProtocolError } from '../../../src/index.js';
import { Fault, NO_SUCH_METHOD } from '../../../src/rpc/faults.js';
import { app, clientOf, countOf, cut, token } from '../../support/clients.js';
import { type Script, scriptedDaemon } from '../../support/scripted-daemon.js';

/** Has pyapns's three methods only, and its answer 500 to what comes while it connects to Apple. */
function pyapns(noSuchMethod = 8001) {
  const known = new Set<unknown>();
  let connection: 'absent' | 'pending' | 'there' = 'absent';
  const refused: unknown[] = [];
  const script: Script = async ({ method, params: [appId, token] }) => {
    switch (method) {
      case 'provision':
        known.add(appId);
        return null;
      case 'notify':
        if (!known.has(appId)) return new Fault(404, `Unknown app ID ${appId}`);
        if (connection === 'pending') {
          refused.push(token);
          return new Fault(500, 'not connected');
        }
        if (connection === 'absent') {
          connection = 'pending';
          await new Promise((resolve) => setTimeout(resolve, 30));
          connection = 'there';
        }
        return null;
      case 'feedback':
        return [[new Date(2026, 0, 2, 3, 4, 5), 'cd'.repeat(32)]];
      default:
        return new Fault(noSuchMethod, `procedure ${method} not found`);
    }
  };
  const forget = () => {
    known.clear();
    connection = 'absent';
  };
  return { script, forget, refused };
}

for (const [name, fault] of [
  ['pyapns', 8001],
  ["a daemon with the standard's faults", NO_SUCH_METHOD],
] as const) {
  test(`${name}: what it takes is submitted, and no receipt is made up`, async () => {
    await using daemon = await scriptedDaemon(pyapns(fault).script);
    await using client = clientOf(daemon.url, { timeoutMs: 14_999 });
    const receipt = await client.notify(token, 'hello', 3, 'default');
    assert.deepEqual(receipt, { status: 'submitted', token, id: receipt.id, attempts: 1 });
    await client.notify(token, { payload: { aps: { alert: 'x' }, orderId: 7 }, pushType: 'alert' });
    assert.deepEqual(
      // As a clone, since the codec's structs have no prototype.
      structuredClone(daemon.calls.map(({ method, params }) => [method, ...params])),
      [
        ['apnsd.provision', { ...app }],
        ['provision', 'A', app.cert, 'sandbox', 14],
        ['notify', 'A', token, { aps: { alert: 'hello', badge: 3, sound: 'default' } }],
        ['notify', 'A', token, { aps: { alert: 'x' }, orderId: 7 }],
      ],
    );
  });
}

test('notifications come to it one at a time until it has taken the first', async () => {
  const { script, forget, refused } = pyapns();
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  const calls = () => Promise.all(Array.from({ length: 20 }, () => client.notify(token, 'x')));
  for (const { status } of await calls()) assert.equal(status, 'submitted');
  assert.deepEqual(refused, []);
  forget();
  for (const { status } of await calls()) assert.equal(status, 'submitted');
  assert.deepEqual(refused, []);
});

test('requests under way that find it to be none of ours are all submitted, each once', async () => {
  const { script } = pyapns();
  await using daemon = await scriptedDaemon(script);
  await using provisioner = clientOf(daemon.url);
  await provisioner.provision();
  await using client = clientOf(daemon.url, { initial: [], defaultAppId: 'A' });
  const tokens = Array.from({ length: 250 }, (_, number) => (0xaaaa00 + number).toString(16));
  const receipts = await Promise.all(tokens.map((token) => client.notify(token, 'x')));
  for (const { status, attempts } of receipts) {
    assert.deepEqual([status, attempts], ['submitted', 1]);
  }
  const methods = daemon.methods();
  assert.ok(countOf(methods, 'apnsd.send') >= 2);
  assert.equal(countOf(methods, 'notify'), tokens.length);
});

test('it is provisioned again when it has forgotten an app, and waited for when it is away', async () => {
  const { script, forget } = pyapns();
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'before');
  forget();
  assert.equal((await client.notify(token, 'after')).attempts, 2);
  daemon.script = (call, response) => {
    if (call.method === 'system.listMethods') daemon.script = script;
    return cut(call, response);
  };
  forget();
  assert.equal((await client.notify(token, 'again')).status, 'submitted');
  assert.equal(countOf(daemon.methods(), 'provision'), 3);
});

test('what it answers 500 to is repeated, one at a time again', async () => {
  const { script, refused } = pyapns();
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  await client.notify(token, 'x');
  let failing = 1;
  daemon.script = (call, response) =>
    call.method === 'notify' && failing-- > 0 ? new Fault(500, 'lost') : script(call, response);
  assert.equal((await client.notify(token, 'x')).attempts, 2);
  assert.deepEqual(refused, []);
});

test('what its methods cannot carry is an error that names it, and nothing is sent', async () => {
  await using daemon = await scriptedDaemon(pyapns().script);
  const key = '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----';
  const environment = 'sandbox';
  const byKey = { appId: 'K', key, keyId: 'K', teamId: 'T', topic: 't', environment } as const;
  await using client = clientOf(daemon.url, {
    initial: [app, byKey, { ...app, appId: 'P', cert: Buffer.from([0x30, 0x82, 1, 2, 3]) }],
    defaultAppId: 'A',
  });
  for (const [appId, what] of [
    ['K', 'key'],
    ['P', 'a .p12 file'],
  ] as const) {
    await assert.rejects(client.notify(token, 'x', null, null, { appId }), (error: Error) => {
      assert.ok(error instanceof CredentialsError);
      const expected = "expected a PEM cert alone: the daemon has only pyapns's methods";
      assert.equal(error.message, `app '${appId}' has ${what}, ${expected}`);
      return true;
    });
  }
  const payload = { aps: { 'content-available': 1 as const } };
  const rows = [
    ['pushType', { payload, pushType: 'background' as const }],
    ['priority', { payload, priority: 5 as const }],
    ['expiration', { payload, expiration: 0 as const }],
    ['collapseId', { payload, collapseId: 'table' }],
    ['topic', { payload, topic: 'com.example.other' }],
  ] as const;
  for (const [name, notification] of rows) {
    await assert.rejects(client.notify(token, notification), (error: Error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.match(error.message, new RegExp(`^${name} is given, expected a payload alone: `));
      return true;
    });
  }
  assert.equal(countOf(daemon.methods(), 'notify'), 0);
  assert.equal((await client.notify(token, { payload })).status, 'submitted');
});

test('its feedback comes in the form of ours', async () => {
  await using daemon = await scriptedDaemon(pyapns().script);
  await using client = clientOf(daemon.url);
  assert.deepEqual(await client.feedback(), [
    { token: 'cd'.repeat(32), unregisteredAt: new Date(2026, 0, 2, 3, 4, 5) },
  ]);
});

test('feedback that is no list of dates and tokens is ProtocolError', async () => {
  for (const answer of ['none', [null], [['aa']], [['aa', new Date(0)]], [{ token: 'aa' }]]) {
    const { script } = pyapns();
    await using daemon = await scriptedDaemon((call, response) =>
      call.method === 'feedback' ? answer : script(call, response),
    );
    await using client = clientOf(daemon.url);
    await assert.rejects(client.feedback(), ProtocolError);
  }
});

test('a daemon that has neither is no daemon of ours', async () => {
  await using daemon = await scriptedDaemon(() => new Fault(8001, 'not found'));
  await using client = clientOf(daemon.url, { initial: [] });
  await assert.rejects(client.notify(token, 'x', null, null, { appId: 'A' }), ProtocolError);
  assert.deepEqual(daemon.methods(), ['apnsd.send', 'notify']);
});
