import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { startTestDaemon, type TestDaemonOptions } from '../../../src/testing/index.js';
import { call, callXml, faultCodeOf, post } from '../../support/calling.js';

/** A daemon that has the app `app`. @param timeout seconds */
async function startDaemon(timeout = 10, options: TestDaemonOptions = {}) {
  const daemon = await startTestDaemon(options);
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox', timeout);
  const notify = (tokens: unknown, notifications: unknown) =>
    call(host, 'notify', 'app', tokens, notifications);
  /** What Apple accepted, in the order of the tokens. */
  const accepted = () =>
    simulator.accepted
      .map(({ token, payload }): [string, unknown] => [token, payload])
      .sort(([a], [b]) => a.localeCompare(b));
  return Object.assign(daemon, { notify, accepted });
}

const note = (alert: string) => ({ aps: { alert } });

test('one token and one notification: Apple gets the payload with the headers of an alert', async () => {
  await using daemon = await startDaemon();
  assert.equal(await daemon.notify('aa11', note('Hello')), null);
  const [request] = daemon.simulator.requests;
  assert.ok(request);
  const { ':path': path, ':method': method, ...headers } = request.headers;
  assert.equal(method, 'POST');
  assert.equal(path, '/3/device/aa11');
  assert.equal(headers['apns-push-type'], 'alert');
  assert.equal(headers['apns-topic'], 'com.example.app');
  assert.match(headers['apns-id'] ?? '', /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  assert.equal(headers['apns-priority'], undefined);
  assert.equal(headers['apns-expiration'], undefined);
  assert.deepEqual(request.payload, note('Hello'));
});

test('tokens and notifications come single or in lists', async () => {
  const [a, b] = [note('a'), note('b')];
  const cases: [tokens: unknown, notifications: unknown, accepted: [string, unknown][]][] = [
    [
      ['aa', 'bb'],
      [a, b],
      [
        ['aa', a],
        ['bb', b],
      ],
    ],
    [
      ['aa', 'bb', 'cc'],
      a,
      [
        ['aa', a],
        ['bb', a],
        ['cc', a],
      ],
    ],
    [
      ['aa', 'bb'],
      [a],
      [
        ['aa', a],
        ['bb', a],
      ],
    ],
    ['aa', [a], [['aa', a]]],
    [['aa'], a, [['aa', a]]],
    [[], [], []],
    [[], a, []],
  ];
  for (const [tokens, notifications, accepted] of cases) {
    await using daemon = await startDaemon();
    assert.equal(await daemon.notify(tokens, notifications), null);
    assert.deepEqual(daemon.accepted(), accepted);
  }
});

test('lists of unequal length are fault 400 before anything is sent', async () => {
  await using daemon = await startDaemon();
  const cases: [tokens: unknown, notifications: unknown, counts: string][] = [
    [['aa', 'bb'], [note('a'), note('b'), note('c')], '2 tokens and 3 notifications'],
    [['aa', 'bb', 'cc'], [note('a'), note('b')], '3 tokens and 2 notifications'],
    ['aa', [note('a'), note('b')], '1 tokens and 2 notifications'],
    [['aa'], [], '1 tokens and 0 notifications'],
    [[], [note('a'), note('b')], '0 tokens and 2 notifications'],
  ];
  for (const [tokens, notifications, counts] of cases) {
    await assert.rejects(daemon.notify(tokens, notifications), {
      faultCode: 400,
      faultString: `there are ${counts}, expected as many of both, or one notification`,
    });
  }
  assert.deepEqual(daemon.simulator.requests, []);
});

test('members that can not be read are fault 400 with their positions, and nothing is sent', async () => {
  await using daemon = await startDaemon();
  await assert.rejects(
    daemon.notify(
      ['aa', 'b', 'cc', 'dd', null, 'ff'],
      [note('a'), note('b'), 'no struct', note('d'), note('e'), note('f')],
    ),
    {
      faultCode: 400,
      faultString:
        'at position 1, 2, 4 (from 0): token ...b is 1 characters long, expected pairs of hex digits',
    },
  );
  // The last of a list longer than may be under way at once.
  const tokens = Array.from({ length: 3000 }, (_, i) => i.toString(16).padStart(8, '0'));
  await assert.rejects(daemon.notify([...tokens, 'x'], note('a')), {
    faultCode: 400,
    faultString: /^at position 3000 \(from 0\): token .*x /,
  });
  assert.deepEqual(daemon.simulator.requests, []);
  // Call by call in a multicall.
  const calls = ['aa', 'x', 'bb'].map((token) => ({
    methodName: 'notify',
    params: ['app', token, note('a')],
  }));
  await call(daemon.host, 'system.multicall', calls);
  assert.deepEqual(
    daemon.accepted().map(([token]) => token),
    ['aa', 'bb'],
  );
});

test('one notification that can not be read is fault 400 without a position', async () => {
  await using daemon = await startDaemon();
  const cases: [token: unknown, notification: unknown, says: RegExp][] = [
    ['zz', note('a'), /^token \.\.\.zz is not all hex digits/],
    ['', note('a'), /^token \.\.\. is empty/],
    [null, note('a'), /^token is nil, expected a string/],
    ['aa', 'Hello', /^payload is string, expected an object/],
    ['aa', null, /^payload is null/],
    ['aa', { aps: { alert: 'x'.repeat(5000) } }, /^payload is 50\d\d bytes, expected at most 4096/],
  ];
  for (const [token, notification, says] of cases) {
    await assert.rejects(daemon.notify(token, notification), ({ faultCode, faultString }) => {
      assert.equal(faultCode, 400);
      assert.match(faultString, says);
      return true;
    });
  }
  assert.deepEqual(daemon.simulator.requests, []);
});

test('of more than a hundred bad members the first hundred are named', async () => {
  await using daemon = await startDaemon();
  const tokens = Array.from({ length: 150 }, () => 'x');
  await assert.rejects(daemon.notify(tokens, note('a')), {
    faultCode: 400,
    faultString: /^at position 0, 1, .* 98, 99 and 50 more \(from 0\): /,
  });
});

test('what Apple rejects is no fault, and stops no neighbour', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.unregister('aa');
  daemon.simulator.badDeviceToken('bb');
  daemon.simulator.answer({ status: 413, reason: 'PayloadTooLarge' }, { token: 'cc' });
  assert.equal(await daemon.notify(['aa', 'bb', 'cc', 'dd'], note('a')), null);
  assert.deepEqual(daemon.accepted(), [['dd', note('a')]]);
});

test('members without an answer within the timeout are fault 500 with their positions', async () => {
  await using daemon = await startDaemon(0.2);
  daemon.simulator.stall({ when: 'after', token: 'bb' });
  daemon.simulator.stall({ when: 'before', token: 'dd' });
  await assert.rejects(daemon.notify(['aa', 'bb', 'cc', 'dd'], note('a')), {
    faultCode: 500,
    faultString: /^at position 1, 3 \(from 0\): no answer from APNs: /,
  });
  assert.deepEqual(
    daemon
      .accepted()
      .map(([token]) => token)
      .filter((token) => token !== 'bb'),
    ['aa', 'cc'],
  );
  assert.equal(await daemon.notify('dd', note('again')), null);
});

test('the fault comes before the timeout is over, which may be digits: a caller that waits no longer hears it', async () => {
  await using daemon = await startTestDaemon();
  const { host, simulator } = daemon;
  await call(host, 'provision', 'app', simulator.certificate, 'sandbox', '5');
  simulator.stall({ when: 'after' });
  const startedAt = performance.now();
  await assert.rejects(call(host, 'notify', 'app', 'aa', note('a')), { faultCode: 500 });
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 4490 && tookMs < 5000, `${tookMs} ms`);
});

test('credentials that Apple refuses are fault 422 with its reason', async () => {
  await using daemon = await startDaemon();
  daemon.simulator.answer({ status: 403, reason: 'BadCertificate' });
  await assert.rejects(daemon.notify('aa', note('a')), {
    faultCode: 422,
    faultString: 'Apple answered 403 BadCertificate',
  });
});

test('of several things that are wrong, what the caller can mend is told first', async () => {
  await using daemon = await startDaemon(0.2);
  daemon.simulator.answer({ status: 404, reason: 'BadPath' }, { token: 'aa' });
  daemon.simulator.answer({ status: 403, reason: 'BadCertificate' }, { token: 'bb' });
  await assert.rejects(daemon.notify(['aa', 'bb'], note('a')), {
    faultCode: 400,
    faultString: /^at position 0 /,
  });
  daemon.simulator.stall({ when: 'after', token: 'aa' });
  daemon.simulator.answer({ status: 403, reason: 'BadCertificate' }, { token: 'bb' });
  await assert.rejects(daemon.notify(['aa', 'bb'], note('a')), {
    faultCode: 422,
    faultString: /^at position 1 /,
  });
});

test('tokens with spaces and in upper case are what people paste', async () => {
  await using daemon = await startDaemon();
  await daemon.notify(['<AA11 BB22>', ' cc 33 '], note('a'));
  assert.deepEqual(
    daemon.accepted().map(([token]) => token),
    ['aa11bb22', 'cc33'],
  );
});

test('emoji, newlines and markup arrive as they were sent, escaped or as CDATA', async () => {
  await using daemon = await startDaemon();
  const text = 'Grüße 👩‍👩‍👧 \n\r\n\t<b>&amp;]]>]]&</b> \u2028"\'';
  // npm xmlrpc writes CDATA, in which XML makes LF of CRLF.
  await daemon.notify('aa', note(text));
  const escaped = text.replace(/[&<>\r]/g, (found) => `&#${found.charCodeAt(0)};`);
  const payload = `<struct><member><name>aps</name><value><struct><member><name>alert</name><value><string>${escaped}</string></value></member></struct></value></member></struct>`;
  await post(daemon.host, callXml('notify', 'app', 'bb', payload));
  assert.deepEqual(daemon.accepted(), [
    ['aa', note(text.replace('\r', ''))],
    ['bb', note(text)],
  ]);
});

test('false, 0, nil and the empty string are sent as they are, dates as ISO text', async () => {
  await using daemon = await startDaemon();
  const payload = {
    aps: { alert: 'a', badge: 0 },
    list: [false, null, '', 1.5, -3],
    at: new Date(86_400_000),
    __proto__x: { constructor: 1 },
  };
  await daemon.notify('aa', payload);
  assert.deepEqual(daemon.accepted(), [['aa', JSON.parse(JSON.stringify(payload))]]);
  const proto =
    '<struct><member><name>__proto__</name><value><int>1</int></value></member></struct>';
  await post(daemon.host, callXml('notify', 'app', 'bb', proto));
  assert.equal(JSON.stringify(daemon.accepted()[1]?.[1]), '{"__proto__":1}');
});

test('a token that came as a number is taken where it is exact, and refused where digits are lost', async () => {
  await using daemon = await startDaemon();
  const payload = '<struct/>';
  const digits = '12'.repeat(32);
  for (const token of [`<int>${digits}</int>`, '<i8>1234567890123456</i8>', '<int>12</int>']) {
    const answer = await post(daemon.host, callXml('notify', 'app', token, payload));
    assert.equal(faultCodeOf(answer), undefined, token);
  }
  assert.deepEqual(
    daemon.accepted().map(([token]) => token),
    ['12', digits, '1234567890123456'],
  );
  for (const token of [`<double>${digits}</double>`, '<double>1.2e63</double>']) {
    const answer = await post(daemon.host, callXml('notify', 'app', token, payload));
    assert.equal(faultCodeOf(answer), 400, token);
    assert.match(
      answer.text,
      /token came as a number and has lost digits on the way, expected a string/,
    );
  }
  const answer = await post(daemon.host, callXml('notify', 'app', '<double>1.5</double>', payload));
  assert.match(answer.text, /token is 1\.5, expected a string/);
  assert.equal(daemon.simulator.requests.length, 3);
});

test('a badge is sent as it came, as a number or as text', async () => {
  await using daemon = await startDaemon();
  for (const [token, badge] of [
    ['aa', 3],
    ['bb', '3'],
  ] as const) {
    assert.equal(await daemon.notify(token, { aps: { badge } }), null);
  }
  assert.deepEqual(daemon.accepted(), [
    ['aa', { aps: { badge: 3 } }],
    ['bb', { aps: { badge: '3' } }],
  ]);
});

test('a payload that only wakes the app is a background push of priority 5', async () => {
  await using daemon = await startDaemon();
  await daemon.notify('aa', { aps: { 'content-available': 1 } });
  const [request] = daemon.simulator.accepted;
  assert.equal(request?.headers['apns-push-type'], 'background');
  assert.equal(request?.headers['apns-priority'], '5');
});

test('an app that is not there is fault 404, also where there is none at all, as in pyapns', async () => {
  await using none = await createDaemon({ listen: '127.0.0.1:0' });
  for (const [method, ...params] of [['notify', 'aa', note('a')], ['feedback']] as [
    string,
    ...unknown[],
  ][]) {
    await assert.rejects(call(none.url, method, 'app', ...params), {
      faultCode: 404,
      faultString: 'app "app" is not provisioned, nor is any other',
    });
  }
  await using daemon = await startDaemon();
  await assert.rejects(call(daemon.host, 'notify', 'App', 'aa', note('a')), {
    faultCode: 404,
    faultString: 'app "App" is not provisioned',
  });
  const token = 'ab'.repeat(32);
  await assert.rejects(call(daemon.host, 'notify', token, 'app', note('a')), {
    faultCode: 404,
    faultString: `app "${token.slice(0, 16)}..." (64 characters) is not provisioned`,
  });
});

test('a wrong number of parameters is fault 400', async () => {
  await using daemon = await startDaemon();
  for (const params of [
    ['app', 'aa'],
    ['app', 'aa', 'b', 'c'],
  ]) {
    const answer = await post(daemon.host, callXml('notify', ...params));
    assert.equal(faultCodeOf(answer), 400);
    assert.match(answer.text, /[24] parameters, expected 3: appId, tokens, notifications/);
  }
});

test('a hundred calls at once, and a list of a thousand, are each sent once', async () => {
  await using daemon = await startDaemon();
  const token = (number: number) => number.toString(16).padStart(8, '0');
  const calls = Array.from({ length: 100 }, (_, i) => daemon.notify(token(i), note(`${i}`)));
  const tokens = Array.from({ length: 1000 }, (_, i) => token(1000 + i));
  await Promise.all([...calls, daemon.notify(tokens, note('all'))]);
  assert.equal(daemon.simulator.requests.length, 1100);
  assert.equal(new Set(daemon.simulator.accepted.map(({ token }) => token)).size, 1100);
  assert.equal(new Set(daemon.simulator.accepted.map(({ id }) => id)).size, 1100);
});

test('a list that is longer than what may be under way at once is sent whole', async () => {
  await using daemon = await startDaemon();
  const tokens = Array.from({ length: 5000 }, (_, i) => i.toString(16).padStart(8, '0'));
  assert.equal(await daemon.notify(tokens, note('all')), null);
  assert.deepEqual(
    daemon.accepted().map(([token]) => token),
    tokens,
  );
});

test('others are heard while a list of ninety thousand bad members is worked at', async () => {
  await using daemon = await startDaemon();
  const many = `<array><data>${'<value>x</value>'.repeat(90_000)}</data></array>`;
  let done = false;
  const notified = post(daemon.host, callXml('notify', 'app', many, many)).finally(() => {
    done = true;
  });
  let heard = 0;
  while (!done) {
    await post(daemon.host, callXml('system.listMethods'));
    heard += 1;
  }
  assert.ok(heard > 5, `${heard}`);
  assert.match((await notified).text, /at position 0, 1, .* 98, 99 and 89900 more \(from 0\)/);
});
