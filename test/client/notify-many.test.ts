import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  ClosedError,
  ConfigError,
  configure,
  createClient,
  ExpiredError,
  InvalidArgumentError,
  notifyMany,
  type Outcome,
} from '../../src/index.js';
import { Fault } from '../../src/rpc/faults.js';
import {
  app,
  clientOf,
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
  type ScriptedDaemon,
  scriptedDaemon,
} from '../support/scripted-daemon.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** How many are under way for one consumer. */
const most = 2400;

const payload = { aps: { alert: 'Hello' } };

/** Counts what was taken of it, and tells of its end. */
function countedTokens(count: number) {
  const source = {
    taken: 0,
    returned: false,
    *[Symbol.iterator]() {
      try {
        while (source.taken < count) {
          source.taken += 1;
          yield (0xaaaa0000 + source.taken).toString(16);
        }
      } finally {
        source.returned = source.taken < count;
      }
    },
  };
  return source;
}

async function collect(outcomes: AsyncIterable<Outcome>): Promise<Outcome[]> {
  const all: Outcome[] = [];
  for await (const outcome of outcomes) all.push(outcome);
  return all;
}

async function errorOf(outcomes: AsyncIterable<Outcome>): Promise<unknown> {
  return collect(outcomes).then(
    (all) => assert.fail(`ended after ${all.length}`),
    (error) => error,
  );
}

function indexes(outcomes: Outcome[]): number[] {
  return outcomes.map(({ index }) => index).sort((a, b) => a - b);
}

function bodies({ calls }: ScriptedDaemon): string[] {
  const sends = calls.filter(({ method }) => method === 'apnsd.send');
  return sends.map(({ params }) => String(params[1]));
}

test('each item of a list has its outcome, with its place in it', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const items = Array.from({ length: 250 }, (_, number) => ({
    token: (0xaaaa00 + number).toString(16),
    payload: { aps: { alert: `message ${number}` } },
  }));
  const outcomes = await collect(client.notifyMany(items));
  assert.deepEqual(indexes(outcomes), [...items.keys()]);
  for (const outcome of outcomes) {
    assert.equal(outcome.status, 'accepted');
    assert.equal(outcome.token, items[outcome.index]?.token);
  }
  assert.deepEqual(new Set(outcomes.map(({ id }) => id)), new Set(sentIds(daemon)));
});

test('one notification for many tokens travels once a request', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const outcomes = await collect(client.notifyMany(countedTokens(1000), { payload, priority: 5 }));
  assert.equal(outcomes.length, 1000);
  for (const body of bodies(daemon)) {
    const { notifications } = JSON.parse(body);
    assert.equal(notifications.length, 1);
    assert.equal(notifications[0].priority, 5);
    assert.deepEqual(notifications[0].payload, payload);
  }
  assert.equal(new Set(sentIds(daemon)).size, 1000);
});

test('a source may be a list, a set, a generator or an async one, and empty', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  async function* slowly() {
    for (const token of ['aa', 'bb', 'cc']) {
      await new Promise(setImmediate);
      yield token;
    }
  }
  for (const source of [['aa', 'bb', 'cc'], new Set(['aa', 'bb', 'cc']), slowly()]) {
    const outcomes = await collect(client.notifyMany(source, { payload }));
    assert.deepEqual(outcomes.map(({ token }) => token).sort(), ['aa', 'bb', 'cc']);
  }
  assert.deepEqual(await collect(client.notifyMany([])), []);
});

test('an outcome comes while the source has nothing more to give yet', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  let give = () => {};
  async function* queue() {
    yield 'aa';
    await new Promise<void>((resolve) => {
      give = resolve;
    });
    yield 'bb';
  }
  const tokens: string[] = [];
  for await (const outcome of client.notifyMany(queue(), { payload })) {
    tokens.push(outcome.token);
    give();
  }
  assert.deepEqual(tokens, ['aa', 'bb']);
});

test('what is wrong with one item is its outcome, and so is what Apple or the daemon says of it', async () => {
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) =>
      answerEach(call, (_, id, token) => {
        if (token === 'dead') {
          return { status: 'rejected', id, reason: 'Unregistered', httpStatus: 410 };
        }
        if (token === 'bad0') return { status: 'failed', id, code: 'CREDENTIALS', message: 'no' };
        return { status: 'accepted', id };
      }),
    ),
  );
  await using client = clientOf(daemon.url);
  const rejected = once(client, 'rejected');
  const items = [
    { token: 'aa', payload },
    { token: 'odd', payload },
    { token: 'bb', payload: 'text' },
    { token: 'cc', payload, expiration: new Date(1) },
    null,
    'text',
    { token: 'dead', payload },
    { token: 'bad0', payload },
  ];
  const outcomes = await collect(
    client.notifyMany(items as { token: string; payload: object }[] as never),
  );
  const said = outcomes
    .sort((a, b) => a.index - b.index)
    .map((outcome) => [
      outcome.token,
      outcome.status === 'failed' ? outcome.error.code : outcome.status,
    ]);
  assert.deepEqual(said, [
    ['aa', 'accepted'],
    ['odd', 'INVALID_ARGUMENT'],
    ['bb', 'INVALID_ARGUMENT'],
    ['cc', 'EXPIRED'],
    ['', 'INVALID_ARGUMENT'],
    ['text', 'INVALID_ARGUMENT'],
    ['dead', 'rejected'],
    ['bad0', 'CREDENTIALS'],
  ]);
  const [receipt] = await rejected;
  assert.equal(receipt.token, 'dead');
  assert.equal('index' in receipt, false);
});

test('what is wrong for all is thrown before anything is sent', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const id = crypto.randomUUID();
  assert.throws(() => client.notifyMany(['aa'], { payload: 7 } as never), InvalidArgumentError);
  assert.throws(() => client.notifyMany(['aa'], { payload, id }), /id is given, expected none/);
  assert.throws(
    () => client.notifyMany(['aa'], { payload, expiration: new Date(1) }),
    ExpiredError,
  );
  assert.throws(() => client.notifyMany('aa', { payload }), /string is what notifyMany was given/);
  assert.throws(() => client.notifyMany(7 as never), InvalidArgumentError);
  assert.throws(() => client.notifyMany([], { deadline: 1 } as never), /deadline is no option/);
  await using several = clientOf(daemon.url, { initial: [app, { ...app, appId: 'B' }] });
  assert.throws(() => several.notifyMany([]), ConfigError);
  assert.deepEqual(daemon.calls, []);
});

test('two hundred thousand tokens go through memory that stays flat', async () => {
  await using daemon = await scriptedDaemon(
    except('apnsd.send', (call) => {
      daemon.calls.length = 0;
      return answerEach(call, (_, id) => ({ status: 'accepted', id }));
    }),
  );
  await using client = clientOf(daemon.url);
  const seen = new Uint8Array(200_000);
  const held: number[] = [];
  for await (const { index } of client.notifyMany(countedTokens(seen.length), { payload })) {
    seen[index] = 1;
    if (index % 45_000 !== 20_000) continue;
    collectGarbage();
    held.push(process.memoryUsage().heapUsed);
  }
  assert.ok(seen.every((one) => one === 1));
  const [first = 0, ...later] = held;
  // Were each outcome kept, it would be some 50 MB more in the end.
  assert.ok(Math.max(...later) < first + 10e6, held.join());
});

test('a consumer that is slow is not run ahead of, and neither is a daemon', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', script));
  await using client = clientOf(daemon.url);
  const source = countedTokens(1e9);
  const outcomes = client.notifyMany(source, { payload })[Symbol.asyncIterator]();
  assert.equal(source.taken, 0);
  const first = outcomes.next();
  await until(() => sentIds(daemon).length === most);
  assert.equal(source.taken, most);
  script.release();
  await first;
  for (let taken = 2; taken <= 500; taken += 1) {
    await outcomes.next();
    assert.ok(source.taken <= most + taken, `${source.taken}`);
  }
  await outcomes.return?.();
  assert.equal(source.returned, true);
});

test('a break takes no more from the source, sends nothing that waits, and lets finish what has left', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(goodDaemon);
  const client = clientOf(daemon.url);
  const source = countedTokens(1e9);
  let outcomes = 0;
  for await (const _ of client.notifyMany(source, { payload })) {
    daemon.script = except('apnsd.send', script);
    outcomes += 1;
    if (outcomes === 50) break;
  }
  assert.equal(source.returned, true);
  const { taken } = source;
  const closed = client.close();
  script.release();
  await closed;
  assert.equal(source.taken, taken);
  assert.ok(sentIds(daemon).length < taken + 1);
});

test('a break while the source is asked for its next waits for nothing', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  async function* endless() {
    yield 'aa';
    await new Promise(() => {});
  }
  for await (const { token } of client.notifyMany(endless(), { payload })) {
    assert.equal(token, 'aa');
    break;
  }
});

test('several that are asked for together come each once, and then the end for all', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const outcomes = client.notifyMany(countedTokens(3), { payload })[Symbol.asyncIterator]();
  const results = await Promise.all(Array.from({ length: 5 }, () => outcomes.next()));
  assert.deepEqual(
    results.map(({ done }) => done),
    [false, false, false, true, true],
  );
  assert.deepEqual(indexes(results.slice(0, 3).map(({ value }) => value)), [0, 1, 2]);
  assert.deepEqual(await outcomes.next(), { done: true, value: undefined });
});

test('who throws into the outcomes, or leaves while one is asked for, ends them as a break does', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', silence));
  await using client = clientOf(daemon.url, { timeoutMs: 100 });
  const mine = new Error('mine');
  for (const leave of ['throw', 'return'] as const) {
    const source = countedTokens(1e9);
    const outcomes = client.notifyMany(source, { payload })[Symbol.asyncIterator]();
    const asked = outcomes.next();
    const left = outcomes[leave]?.(mine);
    if (leave === 'throw') await assert.rejects(async () => left, mine);
    else assert.deepEqual(await left, { done: true, value: undefined });
    assert.deepEqual(await asked, { done: true, value: undefined });
    assert.deepEqual(await outcomes.next(), { done: true, value: undefined });
    assert.equal(source.returned, true);
  }
});

test('an abort after an outcome is thrown by the next, whether others have come or it was the last', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  for (const count of [100, 1]) {
    const controller = new AbortController();
    const { signal } = controller;
    const many = client.notifyMany(countedTokens(count), { payload }, { signal });
    const outcomes = many[Symbol.asyncIterator]();
    await outcomes.next();
    controller.abort();
    await assert.rejects(outcomes.next(), (error) => error === signal.reason);
    assert.deepEqual(await outcomes.next(), { done: true, value: undefined });
  }
});

test("an abort throws the signal's reason at once, and sends no more", async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', silence));
  await using client = clientOf(daemon.url);
  const controller = new AbortController();
  const { signal } = controller;
  const source = countedTokens(1e9);
  const error = errorOf(client.notifyMany(source, { payload }, { signal }));
  await until(() => sentIds(daemon).length === most);
  controller.abort(new Error('enough'));
  assert.equal(await error, signal.reason);
  assert.equal(source.returned, true);
  assert.equal(await errorOf(client.notifyMany(source, { payload }, { signal })), signal.reason);
  // Nothing of it is left in the way of others.
  daemon.script = goodDaemon;
  assert.equal((await client.notify(token, 'x')).status, 'accepted');
});

test('an error of the source is thrown after the outcomes of what it had given', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using client = clientOf(daemon.url);
  const broken = new Error('the database is gone');
  function* sync() {
    yield* ['aa', 'bb'];
    throw broken;
  }
  async function* async() {
    yield* sync();
  }
  for (const source of [sync(), async()]) {
    const tokens: string[] = [];
    await assert.rejects(
      async () => {
        for await (const { token } of client.notifyMany(source, { payload })) tokens.push(token);
      },
      (error) => error === broken,
    );
    assert.deepEqual(tokens.sort(), ['aa', 'bb']);
  }
});

test('a close lets finish what has left, gives ClosedError to what waits, and throws it then', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', script));
  const client = clientOf(daemon.url);
  const run = () => {
    const outcomes: Outcome[] = [];
    const source = countedTokens(1e9);
    const ended = (async () => {
      for await (const outcome of client.notifyMany(source, { payload })) outcomes.push(outcome);
    })();
    return { source, outcomes, failed: assert.rejects(ended, ClosedError) };
  };
  const left = [run(), run(), run(), run()];
  await until(() => sentIds(daemon).length === mostAtOnce);
  const waits = run();
  const closed = client.close();
  script.release();
  await Promise.all([closed, waits.failed, ...left.map(({ failed }) => failed)]);
  // Nothing that was taken is without an outcome; one more may have been, to be told so.
  for (const { source, outcomes } of [...left, waits]) {
    assert.deepEqual(indexes(outcomes), [...Array(source.taken).keys()]);
    assert.ok(source.taken <= most + 1);
  }
  const outcomes = left.flatMap(({ outcomes }) => outcomes);
  const accepted = outcomes.filter(({ status }) => status === 'accepted');
  assert.equal(accepted.length, mostAtOnce);
  const others = outcomes.filter(({ status }) => status !== 'accepted');
  for (const outcome of [...others, ...waits.outcomes]) {
    assert.ok(outcome.status === 'failed' && outcome.error instanceof ClosedError);
  }
  assert.ok((await errorOf(client.notifyMany(['aa'], { payload }))) instanceof ClosedError);
});

test('it waits for room and is never refused, and leaves some to others', async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  for (const maxPending of [1, 2, 10]) {
    await using client = clientOf(daemon.url, { maxPending });
    const told: unknown[] = [];
    client.on('overloaded', (event) => told.push(event));
    const all = Array.from({ length: 3 }, () =>
      collect(client.notifyMany(countedTokens(30), { payload })),
    );
    for (const outcomes of await Promise.all(all)) {
      assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(['accepted']));
      assert.equal(outcomes.length, 30);
    }
    assert.deepEqual(told, []);
  }
  const script = held(goodDaemon);
  await using busy = await scriptedDaemon(except('apnsd.send', script));
  await using client = clientOf(busy.url, { maxPending: 10 });
  const many = collect(client.notifyMany(countedTokens(30), { payload }));
  await until(() => sentIds(busy).length === 5);
  const single = client.notify(token, 'x');
  script.release();
  assert.equal((await single).status, 'accepted');
  assert.equal((await many).length, 30);
});

test('a notification of its own does not wait behind a hundred thousand', async () => {
  const script = held(goodDaemon);
  await using daemon = await scriptedDaemon(except('apnsd.send', script));
  await using client = clientOf(daemon.url);
  const many = collect(client.notifyMany(countedTokens(10_000), { payload }));
  await until(() => sentIds(daemon).length === most);
  daemon.script = goodDaemon;
  assert.equal((await client.notify(token, 'x')).status, 'accepted');
  script.release();
  assert.equal((await many).length, 10_000);
});

test('a daemon that forgets, falls and is busy meanwhile costs time and no outcome', async () => {
  const script = forgetful(404);
  let sends = 0;
  await using daemon = await scriptedDaemon((call, response) => {
    if (call.method === 'apnsd.send') {
      sends += 1;
      if (sends % 7 === 0) return cut(call, response);
      if (sends % 11 === 0) return new Fault(503, 'busy');
      if (sends % 13 === 0) script.forget();
    }
    return script(call, response);
  });
  await using client = clientOf(daemon.url);
  const outcomes = await collect(client.notifyMany(countedTokens(5000), { payload }));
  assert.deepEqual(indexes(outcomes), [...Array(5000).keys()]);
  assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(['accepted']));
});

test('each has a deadline of its own, from when it was taken', async () => {
  await using daemon = await scriptedDaemon(except('apnsd.send', silence));
  await using client = clientOf(daemon.url);
  const outcomes = await collect(
    client.notifyMany(countedTokens(10), { payload }, { deadlineMs: 60 }),
  );
  for (const outcome of outcomes) {
    assert.ok(outcome.status === 'failed' && outcome.error.code === 'DEADLINE');
    assert.match(outcome.id, /^[0-9a-f-]{36}$/);
  }
  assert.equal(outcomes.length, 10);
});

test("the module's own function is the process's client's", async () => {
  await using daemon = await scriptedDaemon(goodDaemon);
  await using _client = configure({ host: daemon.url, initial: [app] });
  assert.equal((await collect(notifyMany(['aa'], { payload }))).length, 1);
  assert.equal((await collect(notifyMany([{ token: 'aa', payload }]))).length, 1);
  await using other = createClient({ host: daemon.url, defaultAppId: 'A' });
  assert.equal((await collect(other.notifyMany(['aa'], { payload }, { appId: 'A' }))).length, 1);
});
