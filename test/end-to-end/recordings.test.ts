/** What real clients sent to pyapns is sent to our daemon: each gets an answer that it can read, and Apple what was meant. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { createSimulator, type Simulator } from '../../src/testing/index.js';
import { deserializeMethodResponse } from '../rpc/npm-xmlrpc.js';
import { call, socketTo } from '../support/calling.js';
import { file } from '../support/folder.js';
import {
  answerOf,
  headerOf,
  type Message,
  placeholders,
  recordings,
  requestOf,
  withBody,
} from '../support/recordings.js';
import { freePort } from '../support/scripted-daemon.js';

/** A value, or the number of a fault. */
type Outcome = { value: unknown } | { faultCode: number };

const nil: Outcome = { value: null };
const fault = (faultCode: number): Outcome => ({ faultCode });

/**
 * Where ours answers otherwise than pyapns, on purpose. pyapns had one fault, 8002 `error`, for whatever it could not
 * do, said nil to what it never sent, and looked at credentials only when it was too late.
 */
const otherwise: Readonly<Record<string, Outcome>> = {
  fault_unknown_method: fault(-32601),
  fault_argcount_few: fault(400),
  fault_argcount_many: fault(400),
  fault_odd_hex: fault(400),
  fault_non_hex: fault(400),
  token_empty: fault(400),
  str_token_str_note: fault(400),
  note_list_of_str: fault(400),
  payload_70000: fault(400),
  lists_mismatch_more_notes: fault(400),
  lists_mismatch_more_tokens: fault(400),
  provision_bad_path: fault(422),
  provision_bad_pem: fault(422),
  notify_bad_path: fault(404),
  notify_bad_pem: fault(404),
  feedback_bad_path: fault(404),
  feedback_gateway_down: { value: [] },
  // What the Ruby client makes of one notification, and a list of tokens with one notification.
  notify_single: nil,
  notify_single_connected: nil,
  str_token_list_note: nil,
  str_token_list_note_before_connect: nil,
  list_token_dict_note: nil,
};

const token = (last: string) => last.padStart(64, '0');
const note = (alert: string) => ({ aps: { alert } });
const hello = { aps: { alert: 'hello', badge: 1, sound: 'default' } };
const unicode = `café € 😀 日本 "quoted" 'single' <b>&amp;</b> back\\slash\nline2\ttab`;
/** As whoever says ISO-8859-1 and sends UTF-8 means it. */
const mojibake = Buffer.from(unicode).toString('latin1');
const types = {
  aps: {
    alert: { 'loc-key': 'K', 'loc-args': ['a', 'é'] },
    badge: 7,
    'content-available': true,
  },
  f: 3.25,
  neg: -1,
  empty: '',
  arr: [],
  obj: {},
  no: false,
};
const list = (acme: unknown[]): [string, unknown][] => [
  [token('2'), note('a')],
  [token('3'), note('b')],
  [token('4'), { aps: { alert: 'c', badge: 0 }, acme }],
];

/** What Apple gets, where it gets something; by recording, or else by case. */
const sent: Readonly<Record<string, [token: string, payload: unknown][]>> = {
  notify_single: [[token('1'), hello]],
  notify_single_connected: [[token('1'), hello]],
  notify_single_in_lists: [[token('1'), hello]],
  'perl-rpcxml/notify_single_typed': [[token('1'), { aps: { alert: 'hello', badge: 1 } }]],
  notify_lists: list([1, 2.5, true, 'x']),
  'perl-rpcxml/notify_lists': list([1, 2.5, 'x']),
  'c/notify_nil': [[token('6'), { ...note('nil test'), n: null, big: 5_000_000_000 }]],
  // PHP has no nil.
  'php/notify_nil': [[token('6'), { ...note('nil'), n: '', emptyarr: [] }]],
  'python3/notify_types': [[token('6'), { ...types, nil: null }]],
  notify_types: [[token('6'), types]],
  notify_unicode: [[token('5'), note(unicode)]],
  notify_unicode_bytes: [[token('5'), note(mojibake)]],
  notify_unicode_default_options: [[token('5'), note(mojibake)]],
  notify_spaces_upper: [['abcdef01'.repeat(8), note('spaces')]],
  list_token_dict_note: [
    [token('10'), note('listdict')],
    [token('11'), note('listdict')],
  ],
  str_token_list_note: [[token('f'), note('strlist')]],
  str_token_list_note_before_connect: [[token('f'), note('strlist')]],
  payload_257: [[token('14'), note('x'.repeat(237))]],
  // pyapns padded short tokens with zeros and cut long ones.
  token_short: [['abcd', note('short token')]],
  token_long: [['ab'.repeat(40), note('long token')]],
};

/** The tokens that were dead as the lists of feedback were recorded. */
const dead: [token: string, since: Date][] = [
  [token('ff'), new Date(2011, 2, 13, 7, 6, 40)],
  ['ab'.repeat(32), new Date(2023, 10, 14, 22, 13, 20)],
];

/** A daemon that has the apps which were there as the case was recorded. */
async function stage(name: string) {
  const sandbox = await createSimulator({ environment: 'sandbox' });
  const production = await createSimulator({ environment: 'production' });
  const isDown = name.includes('down');
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: {
      sandbox: isDown ? `https://127.0.0.1:${await freePort()}` : sandbox.url,
      production: production.url,
    },
    ca: [sandbox.ca, production.ca],
  });
  if (!name.startsWith('provision')) {
    const [appId, timeout] = isDown ? ['appdown', 0.2] : ['app1', 15];
    await call(daemon.url, 'provision', appId, sandbox.certificate, 'sandbox', timeout);
  }
  if (name === 'feedback' || name === 'default_path_RPC2') await kill(daemon.url, sandbox);
  return {
    url: daemon.url,
    simulators: [sandbox, production],
    async [Symbol.asyncDispose]() {
      await daemon.close();
      await sandbox.close();
      await production.close();
    },
  };
}

async function kill(url: string, simulator: Simulator): Promise<void> {
  for (const [token, at] of dead) {
    simulator.unregister(token, { at });
    await call(url, 'notify', 'app1', token, note('x'));
  }
}

/** The request with what exists here. */
async function present(request: Message, [sandbox, production]: Simulator[]): Promise<Buffer> {
  const path = await file('app1.pem', sandbox?.certificate ?? '');
  const otherPath = await file('app2.pem', production?.certificate ?? '');
  const body = request.body
    .toString('latin1')
    .replace(placeholders.path, path)
    .replace(placeholders.otherPath, otherPath)
    .replace(placeholders.pem, production?.certificate.trim() ?? '');
  return withBody(request, Buffer.from(body, 'latin1'));
}

/** Sends it over a connection of its own and reads the one answer. */
async function exchange(url: string, bytes: Buffer | string) {
  const socket = socketTo(url);
  let text = '';
  let ended = false;
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    text += piece;
  });
  socket.once('end', () => {
    ended = true;
    socket.emit('data', '');
  });
  socket.write(bytes);
  for (;;) {
    const [head = '', body] = text.split(/\r\n\r\n(.*)/s);
    const answer = { head, body: Buffer.from(body ?? '', 'latin1') };
    const length = Number(headerOf(answer, 'content-length'));
    const mustEnd = /^connection: .*close/im.test(head);
    if (body !== undefined && answer.body.length >= length && (ended || !mustEnd)) {
      socket.destroy();
      return { ...answer, ended };
    }
    if (ended) assert.fail(`the connection ended after ${JSON.stringify(text)}`);
    await once(socket, 'data');
  }
}

/** By npm xmlrpc: neither our own reading nor the writer's. */
function outcomeOf(body: Buffer): Outcome {
  try {
    return { value: deserializeMethodResponse(body.toString()) };
  } catch (error) {
    const { faultCode, message } = error as Error & { faultCode?: number };
    if (typeof faultCode !== 'number') throw new Error(`${message}: ${body}`);
    return { faultCode };
  }
}

/** What Apple accepted, in the order of the tokens. */
function accepted(simulators: Simulator[]): [string, unknown][] {
  return simulators
    .flatMap((simulator) => simulator.accepted)
    .map(({ token, payload }): [string, unknown] => [token, payload])
    .sort(([a], [b]) => a.localeCompare(b));
}

for (const recording of recordings) {
  const [, name = ''] = recording.split('/');
  const before = outcomeOf(answerOf(recording).body);
  const expected = otherwise[name] ?? before;
  const what = JSON.stringify(expected);

  test(`${recording} is answered ${what.length > 60 ? 'as by pyapns' : what}`, async () => {
    await using stand = await stage(name);
    const request = requestOf(recording);
    const answer = await exchange(stand.url, await present(request, stand.simulators));
    const { head, body } = answer;
    assert.deepEqual(outcomeOf(body), expected);
    assert.deepEqual(accepted(stand.simulators), sent[recording] ?? sent[name] ?? []);

    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(headerOf(answer, 'content-type'), 'text/xml');
    assert.equal(headerOf(answer, 'content-length'), String(body.length));
    assert.doesNotMatch(head, /chunked|content-encoding/i);
    const asksToClose = /close/.test(headerOf(request, 'connection') ?? '');
    assert.equal(answer.ended, asksToClose);
    // What some of the clients can't do without.
    if ('faultCode' in expected) {
      const first = `<value><struct><member><name>faultCode</name><value><int>${expected.faultCode}</int>`;
      assert.ok(body.includes(`<fault>${first}`), String(body));
    } else if (expected.value === null) {
      assert.ok(body.includes('<param><value><nil/></value></param>'), String(body));
    }
  });
}

test('each difference from pyapns is one, and each payload is of a recording', () => {
  const same = Object.entries(otherwise).filter(([name, outcome]) =>
    recordings
      .filter((recording) => recording.endsWith(`/${name}`))
      .map((recording) => JSON.stringify(outcomeOf(answerOf(recording).body)))
      .every((before) => before === JSON.stringify(outcome)),
  );
  assert.deepEqual(same, []);
  const unknown = Object.keys(sent).filter(
    (name) => !recordings.some((recording) => recording === name || recording.endsWith(`/${name}`)),
  );
  assert.deepEqual(unknown, []);
});

/** One notify, written otherwise by the same client. */
function variants(): [name: string, bytes: Buffer | string, ended: boolean][] {
  const { head, body } = requestOf('python3/notify_single');
  const xml = body.toString();
  const length = `Content-Length: ${body.length}`;
  const halves = [xml.slice(0, 99), xml.slice(99)];
  const chunks = halves.map((half) => `${half.length.toString(16)};x=y\r\n${half}\r\n`).join('');
  const typed = (type: string) => head.replace('text/xml', type);
  const encoded = (declared: string, encoding: BufferEncoding, mark = '') => {
    const text = xml.replace(
      "<?xml version='1.0'?>",
      `<?xml version="1.0" encoding="${declared}"?>`,
    );
    return withBody({ head, body }, Buffer.from(mark + text, encoding));
  };
  const bodied = (text: string) => withBody({ head, body }, Buffer.from(text));
  const hello = '<string>hello</string>';
  return [
    ['HTTP/1.0', `POST / HTTP/1.0\r\n${length}\r\n\r\n${xml}`, true],
    [
      'HTTP/1.0 with keep-alive',
      `POST / HTTP/1.0\r\nConnection: keep-alive\r\n${length}\r\n\r\n${xml}`,
      false,
    ],
    ['another path', `${head.replace('POST /', 'POST /any/RPC2?where=1')}\r\n\r\n${xml}`, false],
    [
      'chunks',
      `${head.replace(length, 'Transfer-Encoding: chunked')}\r\n\r\n${chunks}0\r\n\r\n`,
      false,
    ],
    ['no content type', `${head.replace(/Content-Type: .*\r\n/, '')}\r\n\r\n${xml}`, false],
    ['application/xml', `${typed('application/xml')}\r\n\r\n${xml}`, false],
    ['application/rpc+xml', `${typed('application/rpc+xml; charset=utf-8')}\r\n\r\n${xml}`, false],
    ['a type of its own', `${typed('application/octet-stream')}\r\n\r\n${xml}`, false],
    ['a byte order mark', bodied(`\ufeff${xml}`), false],
    ['UTF-16', encoded('UTF-16', 'utf16le', '\ufeff'), false],
    ['ISO-8859-1', encoded('ISO-8859-1', 'latin1'), false],
    ['white space between all tags', bodied(xml.replace(/>(?=<)/g, '>\n\t ')), false],
    ['untyped strings', bodied(xml.replace(/<\/?string>/g, '')), false],
    ['CDATA', bodied(xml.replace(hello, '<string><![CDATA[hel]]>lo</string>')), false],
    ['references', bodied(xml.replace(hello, '<string>&#104;&#x65;llo</string>')), false],
    ['base64', bodied(xml.replace(hello, '<base64>aGVsbG8=</base64>')), false],
    ['i8', bodied(xml.replaceAll('int>', 'i8>')), false],
    ['ex:i8', bodied(xml.replaceAll('int>', 'ex:i8>')), false],
  ];
}

test('a notify arrives the same however it is written', async (t) => {
  await using stand = await stage('notify_single');
  const [sandbox] = stand.simulators;
  for (const [name, bytes, ended] of variants()) {
    await t.test(name, async () => {
      const answer = await exchange(stand.url, bytes);
      assert.deepEqual(outcomeOf(answer.body), nil);
      assert.equal(answer.ended, ended);
      const { token: to, payload } = sandbox?.accepted.at(-1) ?? {};
      assert.deepEqual([to, payload], [token('1'), hello]);
    });
  }
  assert.equal(sandbox?.accepted.length, variants().length);
});

test('a caller that expects 100 Continue is told to go on', async () => {
  await using stand = await stage('notify_single');
  const { head, body } = requestOf('c/notify_single');
  const socket = socketTo(stand.url);
  socket.write(`${head}\r\nExpect: 100-continue\r\n\r\n`);
  const [go] = await once(socket, 'data');
  assert.equal(String(go), 'HTTP/1.1 100 Continue\r\n\r\n');
  socket.write(body);
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 OK\r\n/);
  socket.destroy();
  assert.deepEqual(accepted(stand.simulators), [[token('1'), hello]]);
});
