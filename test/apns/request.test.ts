import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestTemplate } from '../../src/apns/request.js';
import { checkNotification } from '../../src/notification/check.js';

const topic = 'com.example.app';
const alert = { aps: { alert: 'Grüße 👋' } };

function headersOf(notification: object): Record<string, string> {
  const { headers } = new RequestTemplate(checkNotification(notification)).requestTo(
    'aa',
    'an id',
    topic,
  );
  const pairs = headers.map((name, place) => [name, headers[place + 1]]);
  return Object.fromEntries(pairs.filter((_, place) => place % 2 === 0));
}

test('a request is a POST to the token, with the apns-id and the payload as UTF-8', () => {
  const draft = new RequestTemplate(checkNotification({ payload: alert }));
  const request = draft.requestTo('aa11', 'some-id', topic);
  assert.equal(request.method, 'POST');
  assert.equal(request.path, '/3/device/aa11');
  assert.deepEqual(request.headers, ['apns-topic', topic, 'apns-push-type', 'alert']);
  assert.equal(request.id, 'some-id');
  assert.equal(request.body, JSON.stringify(alert));
});

test('what the author leaves out is not sent, and what Apple wants of a background push is', () => {
  const background = { aps: { 'content-available': 1 } };
  const cases: [notification: object, headers: Record<string, string>][] = [
    [{ payload: alert }, { 'apns-push-type': 'alert' }],
    [
      { payload: alert, priority: 1 },
      { 'apns-push-type': 'alert', 'apns-priority': '1' },
    ],
    [
      { payload: alert, expiration: 0 },
      { 'apns-push-type': 'alert', 'apns-expiration': '0' },
    ],
    [
      { payload: alert, expiration: new Date(4_102_444_800_999) },
      { 'apns-push-type': 'alert', 'apns-expiration': '4102444800' },
    ],
    [{ payload: background }, { 'apns-push-type': 'background', 'apns-priority': '5' }],
    [{ payload: background, pushType: 'alert' }, { 'apns-push-type': 'alert' }],
  ];
  for (const [notification, headers] of cases) {
    assert.deepEqual(headersOf(notification), { 'apns-topic': topic, ...headers });
  }
  assert.equal(
    headersOf({ payload: alert, topic: 'com.example.other' })['apns-topic'],
    'com.example.other',
  );
});

test('receivers share one payload and the headers that they have in common', () => {
  const draft = new RequestTemplate(checkNotification({ payload: alert }));
  const [one, other] = ['id-1', 'id-2'].map((id) => draft.requestTo('aa', id, topic));
  assert.equal(one?.headers, other?.headers);
  assert.equal(one?.body, other?.body);
  assert.equal(draft.requestTo('aa', 'id-3', 'com.example.other').headers[1], 'com.example.other');
});

test('the id of an alert is its collapse id too, unless its author said something of it', () => {
  const collapses = (notification: object) =>
    new RequestTemplate(checkNotification({ payload: alert, ...notification })).requestTo(
      'aa',
      'id',
      topic,
    ).collapse;
  assert.equal(collapses({}), true);
  assert.equal(collapses({ collapseId: null }), false);
  assert.equal(collapses({ collapseId: 'score' }), false);
  assert.equal(collapses({ pushType: 'voip' }), false);
});
