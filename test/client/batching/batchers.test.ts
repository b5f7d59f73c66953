import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { test } from 'node:test';
import {
  ApnsUnavailableError,
  type Client,
  ClosedError,
  CredentialsError,
  DeadlineError,
  ExpiredError,
  InvalidArgumentError,
  ProtocolError,
} from '../../../src/index.js';
import { Fault } from '../../../src/rpc/faults.js';
import type { SendRequest } from '../../../src/rpc/methods.js';
import type { Value } from '../../../src/rpc/xml.js';
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
} from '../../support/clients.js';
import {
  acceptAll,
  answerEach,
  goodDaemon,
  type Script,
  type ScriptedCall,
  type ScriptedDaemon,
  scriptedDaemon,
} from '../../support/scripted-daemon.js';

const tokens = (count: number) =>
  Array.from({ length: count }, (_, number) => (number + 0xaa0000).toString(16));

function requests({ calls }: ScriptedDaemon): SendRequest[] {
  const sends = calls.filter(({ method }) => method === 'apnsd.send');
  return sends.map(({ params }) => JSON.parse(String(params[1])));
}

/** How many notifications each request had. */
function sizes(daemon: ScriptedDaemon): number[] {
  return requests(daemon).map(({ notifications }) => notifications.flatMap(({ to }) => to).length);
}

function tokensOf(call: ScriptedCall): string[] {
  const found: string[] = [];
  answerEach(call, (_, __, token) => {
    found.push(token);
    return {};
  });
  return found;
}

function sayTo(client: Client, tokens: string[], text = 'x') {
  return tokens.map((token) => client.notify(token, text));
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (error) => error,
  );
}

/** Answers `pending` for one token until it is let. */
function keepsWaiting(slow: string) {
  let waits = true;
  const script: Script = except('apnsd.send', (call) =>
    answerEach(call, (_, id, token) => ({
      status: waits && token === slow ? 'pending' : 'accepted',
      id,
    })),
  );
  return Object.assign(script, {
    answer: () => {
      waits = false;
    },
  });
}

test('calls that follow each other go at once, each in a request of its own', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  for (let call = 0; call < 5; call += 1) await client.notify(token, 'x');
  assert.deepEqual(sizes(daemon), [1, 1, 1, 1, 1]);
});

test('what comes while a request is under way goes together in the next', async () => {
  const first = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', first));
  await using client = clientOf(daemon.url);
  const early = client.notify(token, 'x');
  await until(() => sizes(daemon).length === 1);
  daemon.script = goodDaemon;
  const later = sayTo(client, tokens(50));
  for (const { status } of await Promise.all(later)) assert.equal(status, 'accepted');
  assert.deepEqual(sizes(daemon), [1, 50]);
  first.release();
  assert.equal((await early).attempts, 1);
});

test('many that come at once while nothing is under way go in two halves: one is on its way while the other is written', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  await Promise.all(sayTo(client, tokens(31)));
  await Promise.all(sayTo(client, tokens(51)));
  assert.deepEqual(sizes(daemon), [31, 25, 26]);
});

test('each has its own answer, whatever its neighbours have', async () => {
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) =>
      answerEach(call, (_, id, token) => {
        const kind = Number.parseInt(token, 16) % 4;
        if (kind === 0) return { status: 'rejected', id, reason: 'BadTopic', httpStatus: 400 };
        if (kind === 1) return { status: 'failed', id, code: 'CREDENTIALS', message: token };
        if (kind === 2) return { status: 'accepted', id: 'another' };
        return { status: 'accepted', id, uniqueId: token };
      }),
    ),
  );
  await using client = clientOf(daemon.url);
  const all = tokens(30);
  const results = await Promise.allSettled(sayTo(client, all));
  assert.deepEqual(sizes(daemon), [30]);
  for (const [position, result] of results.entries()) {
    const token = all[position] ?? '';
    const kind = Number.parseInt(token, 16) % 4;
    if (result.status === 'rejected') {
      assert.ok(result.reason instanceof (kind === 1 ? CredentialsError : ProtocolError));
      assert.ok(kind === 2 || result.reason.message === token);
    } else {
      const { status, token: to } = result.value;
      assert.equal(status, kind === 0 ? 'rejected' : 'accepted');
      assert.equal(to, token);
      if (result.value.status === 'accepted') assert.equal(result.value.uniqueId, token);
    }
  }
});

test('a request has at most two hundred notifications, and a quarter of a megabyte or one', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  await Promise.all(sayTo(client, tokens(1050)));
  assert.equal(Math.max(...sizes(daemon)), 200);
  assert.equal(sentIds(daemon).length, 1050);
  daemon.calls.length = 0;
  const long = tokens(200).map((token) => client.notify(token, token.padEnd(4000, '.')));
  await Promise.all(long);
  for (const { params } of daemon.calls) assert.ok(String(params[1]).length < 2 ** 18);
  assert.ok(sizes(daemon).length >= 4);
  assert.equal(sentIds(daemon).length, 200);
});

test('neighbours with the same notification share its text, and so its bytes', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const text = 'long'.repeat(1000);
  const [first = '', second = '', ...rest] = tokens(30);
  await Promise.all([
    ...sayTo(client, rest, text),
    ...sayTo(client, [first], 'another'),
    ...sayTo(client, [second], text),
  ]);
  const [request, ...more] = requests(daemon);
  assert.equal(more.length, 0);
  const shape = request?.notifications.map(({ payload, to }) => [
    Object(payload.aps).alert,
    to.map(([token]) => token),
  ]);
  assert.deepEqual(shape, [
    [text, rest],
    ['another', [first]],
    [text, [second]],
  ]);
});

test('apps share no request', async () => {
  const initial = [app, { ...app, appId: 'B' }];
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url, { initial });
  const calls = tokens(40).map((token, number) =>
    client.notify(token, 'x', null, null, { appId: number % 2 ? 'A' : 'B' }),
  );
  await Promise.all(calls);
  assert.deepEqual(sizes(daemon), [20, 20]);
});

test('one that Apple keeps waiting holds nobody: it joins itself again by its id, away from the others', async () => {
  const [slow = '', ...rest] = tokens(30);
  const script = keepsWaiting(slow);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  const waiting = client.notify(slow, 'x');
  for (const { status } of await Promise.all(sayTo(client, rest))) assert.equal(status, 'accepted');
  // It asks again and again; what others send meanwhile does not wait along.
  for (let round = 0; round < 3; round += 1) await Promise.all(sayTo(client, rest.slice(0, 10)));
  await until(() => sizes(daemon).filter((size) => size === 1).length >= 3);
  script.answer();
  const receipt = await waiting;
  assert.equal(receipt.status, 'accepted');
  const sends = daemon.calls.filter(({ method }) => method === 'apnsd.send');
  const withIt = sends.map(tokensOf).filter((tokens) => tokens.includes(slow));
  const [together, ...alone] = withIt;
  assert.equal(together?.length, 30);
  assert.equal(receipt.attempts, 1);
  for (const tokens of alone) assert.deepEqual(tokens, [slow]);
  const ids = sentIds(daemon).filter((id) => id === receipt.id);
  assert.equal(ids.length, 1 + alone.length);
});

test('pending, deadline: the cause is that Apple has not answered', async () => {
  await using daemon = await scriptedDaemon(keepsWaiting(token));
  await using client = clientOf(daemon.url);
  const error = await reasonOf(client.notify(token, 'x', null, null, { deadlineMs: 60 }));
  assert.ok(error instanceof DeadlineError);
  assert.ok(error.cause instanceof ApnsUnavailableError);
});

test('pending at once, and again: the daemon is asked less and less', async () => {
  await using daemon = await scriptedDaemon(keepsWaiting(token));
  await using client = clientOf(daemon.url, {
    retry: { firstDelayMs: 20, factor: 2, maxDelayMs: 10_000 },
  });
  const call = client.notify(token, 'x', null, null, { deadlineMs: 600 });
  await assert.rejects(call, DeadlineError);
  // After the first at half of 20 + 40 + 80 + 160 + 320 ms and so on, at the soonest.
  const asked = sizes(daemon).length;
  assert.ok(asked > 1 && asked <= 7, `it was asked ${asked} times`);
});

test('pending, close: it is still at the daemon, and its answer is waited for', async () => {
  const script = keepsWaiting(token);
  await using daemon = await scriptedDaemon(script);
  const client = clientOf(daemon.url);
  const call = client.notify(token, 'x');
  await until(() => sizes(daemon).length === 2);
  const closed = client.close();
  await assert.rejects(client.notify(token, 'late'), ClosedError);
  script.answer();
  assert.equal((await call).status, 'accepted');
  await closed;
});

test('pending, failure while healing: a daemon that fell meanwhile is told again, with the same id', async () => {
  const script = keepsWaiting(token);
  await using daemon = await scriptedDaemon(script);
  await using client = clientOf(daemon.url);
  const call = client.notify(token, 'x');
  await until(() => sizes(daemon).length === 1);
  daemon.script = except('apnsd.send', cut, () => {
    daemon.script = script;
    script.answer();
    return [];
  });
  const { id, status } = await call;
  assert.equal(status, 'accepted');
  assert.deepEqual(new Set(sentIds(daemon)), new Set([id]));
});

test('a member whose answer is of odd types fails by itself', async () => {
  const odd: Record<string, unknown>[] = [
    { status: 'failed', code: { toString: 1 }, message: 'x' },
    { status: 'failed', code: 'CREDENTIALS', message: { toString: 1, valueOf: 1 } },
    { status: 'failed' },
    { status: 'rejected' },
    { status: 'rejected', reason: ['BadDeviceToken'], httpStatus: 400 },
    { status: 'rejected', reason: 'BadDeviceToken', httpStatus: '400' },
    { status: nested(1000) },
    { status: { toString: 1 } },
    { status: 'delivered' },
    { status: 'accepted', id: 7 },
  ];
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) =>
      answerEach(call, ({ payload }, id) => {
        const answer = odd[payload.odd];
        return answer ? { id, ...answer } : { status: 'accepted', id };
      }),
    ),
  );
  await using client = clientOf(daemon.url);
  const calls = Array.from({ length: 40 }, (_, number) =>
    client.notify(token, { payload: { aps: { alert: 'x' }, odd: number } }),
  );
  for (const [number, result] of (await Promise.allSettled(calls)).entries()) {
    if (!odd[number]) assert.equal(result.status, 'fulfilled');
    else {
      assert.ok(result.status === 'rejected' && result.reason instanceof ProtocolError);
      assert.match(result.reason.message, /^apnsd.send answered /);
      assert.ok(result.reason.message.length < 100);
    }
  }
});

test('a time that no Date can say, and an id of Apple that is none, are left out of receipts', async () => {
  const odd = [1e300, 'yesterday', { valueOf: 1, toString: 1 }, null];
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) =>
      answerEach(call, ({ payload }, id) =>
        payload.odd === odd.length
          ? { status: 'accepted', id, uniqueId: {} }
          : {
              status: 'rejected',
              id,
              reason: 'Unregistered',
              httpStatus: 410,
              unregisteredAt: odd[payload.odd],
            },
      ),
    ),
  );
  await using client = clientOf(daemon.url);
  const calls = [...odd, ''].map((_, number) =>
    client.notify(token, { payload: { aps: { alert: 'x' }, odd: number } }),
  );
  const receipts = await Promise.all(calls);
  assert.equal(receipts.filter(({ status }) => status === 'rejected').length, odd.length);
  for (const receipt of receipts) {
    assert.ok(!('unregisteredAt' in receipt) && !('uniqueId' in receipt));
  }
});

/** Text of a list in a list in a list, or what it is of. */
function nested(depth: number): unknown {
  return JSON.parse('['.repeat(depth) + ']'.repeat(depth));
}

const noLists: [string, (count: number) => Value][] = [
  ['is too short', (count) => JSON.stringify(Array(count - 1).fill(1))],
  ['is too long', (count) => JSON.stringify(Array(count + 1).fill(1))],
  ['is a million long', () => JSON.stringify(Array(1_000_000).fill(1))],
  ['is a million brackets deep', () => '['.repeat(5_000_000) + ']'.repeat(5_000_000)],
  ['is no list', () => '{"length":5}'],
  ['is no JSON', () => '[1,1,1,1,'],
  ['is no text', () => ({ toString: 'x' })],
  ['is a list of XML', (count) => Array(count).fill(1)],
];

for (const [name, answer] of noLists) {
  test(`an answer that ${name} is a ProtocolError of all that it was for, and of nobody else`, async () => {
    await using daemon = await scriptedDaemon(
      except('apnsd.send', (call) => answer(tokensOf(call).length)),
    );
    await using client = clientOf(daemon.url);
    const begun = performance.now();
    for (const result of await Promise.allSettled(sayTo(client, tokens(5)))) {
      assert.ok(result.status === 'rejected' && result.reason instanceof ProtocolError);
      assert.match(result.reason.message, /^apnsd.send answered no JSON list of \d answers$/);
    }
    // Reading what is a million brackets deep takes many times as long.
    assert.ok(performance.now() - begun < 3000);
    daemon.script = goodDaemon;
    assert.equal((await client.notify(token, 'x')).status, 'accepted');
  });
}

test('one signal for 40,000 calls has one listener, and ends them all', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', () => undefined));
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = Array.from({ length: 40_000 }, () =>
    client.notify(token, 'x', null, null, { signal }),
  );
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  const reason = new Error('enough');
  controller.abort(reason);
  const results = await Promise.allSettled(calls);
  const ended = results.filter((one) => one.status === 'rejected' && one.reason === reason);
  assert.equal(ended.length, 40_000);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('one signal for all that wait for room has one listener, and ends them all', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url, { maxPending: 1 });
  const call = client.notify(token, 'x');
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: 1000 }, () => client.ready({ signal }));
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  const reason = new Error('enough');
  controller.abort(reason);
  const results = await Promise.allSettled(waiting);
  const ended = results.filter((one) => one.status === 'rejected' && one.reason === reason);
  assert.equal(ended.length, 1000);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  assert.equal((await call).status, 'accepted');
});

const refusals: [string, Script][] = [
  ['HTTP 413', (_, response) => void response.writeHead(413).end()],
  ['fault 400', () => new Fault(400, 'bad input')],
  ['fault -32600', () => new Fault(-32600, 'too long')],
];

for (const [name, refusal] of refusals) {
  test(`${name} for a request of many: each is sent alone once, and who is to blame fails alone`, async () => {
    await using daemon = await scriptedDaemon(
      except('apnsd.send', (call, response) =>
        (tokensOf(call).includes('bad0') ? refusal : acceptAll)(call, response),
      ),
    );
    await using client = clientOf(daemon.url);
    const retries: unknown[] = [];
    client.on('retry', (event) => retries.push(event));
    const good = sayTo(client, tokens(20));
    const bad = reasonOf(client.notify('bad0', 'x'));
    for (const { status } of await Promise.all(good)) assert.equal(status, 'accepted');
    const error = await bad;
    assert.ok(error instanceof InvalidArgumentError || error instanceof ProtocolError);
    assert.deepEqual(sizes(daemon), [21, ...Array(21).fill(1)]);
    assert.deepEqual(retries, []);
  });
}

test('a list of the wrong length is an answer for nobody', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', () => '[]'));
  await using client = clientOf(daemon.url);
  for (const call of sayTo(client, tokens(5)).map(reasonOf)) {
    assert.match(
      String(await call),
      /^ProtocolError: apnsd.send answered no JSON list of 5 answers$/,
    );
  }
  assert.deepEqual(sizes(daemon), [5]);
});

test('a request that fails for the time being is repeated for all, with the ids that they had', async () => {
  let failures = 1;
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call, response) =>
      failures-- > 0 ? new Fault(503, 'busy') : goodDaemon(call, response),
    ),
  );
  await using client = clientOf(daemon.url);
  const receipts = await Promise.all(sayTo(client, tokens(30)));
  assert.deepEqual(new Set(receipts.map(({ attempts }) => attempts)), new Set([2]));
  assert.equal(sentIds(daemon).length, 60);
  assert.deepEqual(new Set(sentIds(daemon)), new Set(receipts.map(({ id }) => id)));
});

test('what waits behind a daemon that falls is sent once, after the repair', async () => {
  const fall = held(cut);
  await using daemon = await scriptedDaemon(except('apnsd.send', fall));
  await using client = clientOf(daemon.url);
  const sent = sayTo(client, Array(mostAtOnce).fill(token));
  await until(() => sizes(daemon).length === 32);
  const waiting = sayTo(client, Array(150).fill(token));
  daemon.script = goodDaemon;
  fall.release();
  for (const { attempts } of await Promise.all(waiting)) assert.equal(attempts, 1);
  for (const { status } of await Promise.all(sent)) assert.equal(status, 'accepted');
});

test('abort: who leaves at the daemon or in the queue takes nobody along, and is sent no more', async () => {
  const first = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', first));
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const [leaves = '', leavesToo = '', ...stay] = tokens(20);
  const hasty = [leaves, leavesToo].map(
    (token) => () => reasonOf(client.notify(token, 'x', null, null, { signal })),
  );
  const early = [hasty[0]?.(), ...sayTo(client, stay)];
  await until(() => sizes(daemon).length === 1);
  daemon.script = goodDaemon;
  const later = [hasty[1]?.(), ...sayTo(client, stay)];
  controller.abort();
  first.release();
  for (const [gone, ...others] of [await Promise.all(early), await Promise.all(later)]) {
    assert.equal(gone, signal.reason);
    for (const receipt of others) assert.equal(Object(receipt).attempts, 1);
  }
  assert.deepEqual(sizes(daemon), [19, 18]);
});

test('abort: a request for which nobody waits any more is given up', async () => {
  let closed: Promise<unknown> | undefined;
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (_, response) => {
      closed = once(response, 'close');
      return undefined;
    }),
  );
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = tokens(3).map((token) => client.notify(token, 'x', null, null, { signal }));
  const reasons = Promise.all(calls.map(reasonOf));
  await until(() => closed !== undefined);
  controller.abort();
  assert.deepEqual(await reasons, Array(3).fill(signal.reason));
  await closed;
});

test('an impatient call tells the daemon its own time, and the others theirs', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url, { timeoutMs: 10_000 });
  await Promise.all([
    client.notify('aa', 'x'),
    client.notify('bb', 'x', null, null, { deadlineMs: 3000 }),
    client.notify('cc', 'x'),
  ]);
  const [request] = requests(daemon);
  assert.equal(request?.timeoutMs, 9000);
  const [patient, impatient, more] = request.notifications;
  assert.equal(patient?.timeoutMs, undefined);
  assert.equal(more?.timeoutMs, undefined);
  const { timeoutMs = 0, to } = impatient ?? {};
  assert.ok(timeoutMs > 0 && timeoutMs <= 2000, `${timeoutMs}`);
  assert.equal(to?.[0]?.[0], 'bb');
});

test('an expiration that passes in the queue ends that call alone', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', script));
  await using client = clientOf(daemon.url);
  const ahead = sayTo(client, Array(mostAtOnce).fill(token));
  await until(() => sizes(daemon).length === 32);
  const expiration = new Date(Date.now() + 100);
  const late = reasonOf(client.notify(token, { payload: { aps: { alert: 'x' } }, expiration }));
  const neighbours = sayTo(client, tokens(5));
  await until(() => Date.now() > expiration.getTime());
  script.release();
  assert.ok((await late) instanceof ExpiredError);
  for (const { status } of await Promise.all([...neighbours, ...ahead])) {
    assert.equal(status, 'accepted');
  }
  assert.equal(sentIds(daemon).length, mostAtOnce + 5);
});

test('close: a receipt that came in the same answer as another is not lost to a close at the first', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  const client = clientOf(daemon.url);
  const [first, ...others] = sayTo(client, tokens(30));
  const closed = first?.then(() => client.close());
  for (const { status } of await Promise.all(others)) assert.equal(status, 'accepted');
  await closed;
  assert.equal(countOf(daemon.methods(), 'apnsd.send'), 1);
});
