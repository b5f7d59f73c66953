/** What the fuzzer starts from: every recorded request, and calls of the methods that pyapns had not. */
import { callXml } from '../support/calling.js';
import { type Message, recordings, requestOf } from '../support/recordings.js';

const id = '1b671a64-40d5-491e-99b0-da01ff1f3341';
const request = {
  timeoutMs: 5000,
  notifications: [
    {
      payload: { aps: { alert: { title: 'a', body: 'é 😀' }, badge: 1 }, own: [1.5, null, true] },
      pushType: 'alert',
      priority: 10,
      expiration: 4_000_000_000,
      collapseId: 'one',
      to: [
        ['ab'.repeat(32), id],
        ['cd'.repeat(32), id.replace('1b', '2b')],
      ],
    },
    { payload: { aps: { 'content-available': 1 } }, collapseId: null, to: [['aa', id]] },
  ],
};
const json = JSON.stringify(request).replaceAll('"', '&quot;');
const member = (name: string, value: string) =>
  `<member><name>${name}</name><value>${value}</value></member>`;
const struct = (...members: string[]) => `<struct>${members.join('')}</struct>`;
const array = (...values: string[]) =>
  `<array><data>${values.map((value) => `<value>${value}</value>`).join('')}</data></array>`;

const entry = struct(
  member('appId', 'app2'),
  member('environment', 'sandbox'),
  member('key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
  member('keyId', 'ABCDE12345'),
  member('teamId', 'FGHIJ67890'),
  member('topic', 'com.example.app'),
  member('passphrase', '<base64>c2VjcmV0</base64>'),
);
const inner = (name: string, ...params: string[]) =>
  struct(member('methodName', name), member('params', array(...params)));

const own = [
  callXml('apnsd.send', '<string>app1</string>', `<string>${json}</string>`),
  callXml('apnsd.provision', entry),
  callXml('apnsd.feedback', 'app1', ''),
  callXml('apnsd.status'),
  callXml('system.listMethods'),
  callXml('system.methodHelp', 'notify'),
  callXml('system.methodSignature', 'notify'),
  callXml(
    'system.multicall',
    array(
      inner('system.listMethods'),
      inner('notify', 'app1', 'aa', struct(member('aps', struct(member('badge', '<int>1</int>'))))),
      inner('feedback', 'app1'),
      inner('system.multicall', array()),
    ),
  ),
  callXml(
    'system.multicall',
    array(
      inner('apnsd.status'),
      inner('apnsd.feedback', 'app1', ''),
      inner('apnsd.send', '<string>app1</string>', `<string>${json}</string>`),
      inner('notify', 'app1', array('aa', 'bb'), struct()),
      inner('apnsd.provision', entry),
      inner('feedback', 'app1'),
    ),
  ),
  callXml(
    'notify',
    'app1',
    array('aa', 'bb', '<nil/>'),
    array(
      struct(member('at', '<dateTime.iso8601>20110313T07:06:40</dateTime.iso8601>')),
      struct(member('__proto__', struct(member('a', '<i8>5000000000</i8>')))),
      struct(member('b', '<ex:nil/>'), member('c', '<double>-1.5</double>')),
    ),
  ),
].map((xml): Message => {
  const body = Buffer.from(xml);
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}`;
  return { head, body };
});

/** Larger ones only take longer. */
const LARGEST = 10_000;

export const seeds: readonly Message[] = [...recordings.map(requestOf), ...own].filter(
  ({ body }) => body.length < LARGEST,
);
