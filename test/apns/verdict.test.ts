import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Verdict, verdictOn } from '../../src/apns/verdict.js';
import { ClosedError, InvalidArgumentError, OverloadedError } from '../../src/errors.js';

function answered(status: number, body: object | string = '', headers = {}): Verdict {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return verdictOn({ kind: 'response', status, headers, body: text, connection: 1 });
}

/** What a caller is told, and whether the request may go out again. */
function reactionTo(verdict: Verdict): string {
  if (verdict.kind !== 'failed') return verdict.kind;
  const { error, repeat } = verdict;
  if (!repeat) return `${error.code}, final`;
  const elsewhere = repeat.avoid === undefined ? '' : ' elsewhere';
  return `${error.code}, ${repeat.signAgain ? 'sign again' : `repeat${elsewhere}`}`;
}

test("each of Apple's statuses and reasons has its reaction", () => {
  const cases: [status: number, reasons: string[], reaction: string][] = [
    [200, [''], 'accepted'],
    [
      400,
      [
        'BadCollapseId',
        'BadDeviceToken',
        'BadExpirationDate',
        'BadMessageId',
        'BadPriority',
        'BadTopic',
        'DeviceTokenNotForTopic',
        'DuplicateHeaders',
        'InvalidPushType',
        'MissingDeviceToken',
        'MissingTopic',
        'PayloadEmpty',
        'TopicDisallowed',
        'SomethingNew',
        'constructor',
        '',
      ],
      'rejected',
    ],
    [400, ['IdleTimeout'], 'APNS_UNAVAILABLE, repeat elsewhere'],
    [
      403,
      [
        'BadCertificate',
        'BadCertificateEnvironment',
        'BadEnvironmentKeyInToken',
        'Forbidden',
        'InvalidProviderToken',
        'MissingProviderToken',
        '',
      ],
      'CREDENTIALS, final',
    ],
    [403, ['ExpiredProviderToken'], 'CREDENTIALS, sign again'],
    [403, ['UnrelatedKeyIdInToken'], 'CREDENTIALS, repeat elsewhere'],
    [404, ['BadPath', ''], 'INVALID_ARGUMENT, final'],
    [405, ['MethodNotAllowed', ''], 'INVALID_ARGUMENT, final'],
    [410, ['Unregistered', 'ExpiredToken', 'SomethingNew', ''], 'rejected'],
    [413, ['PayloadTooLarge', ''], 'rejected'],
    [429, ['TooManyRequests', 'TooManyProviderTokenUpdates', ''], 'APNS_UNAVAILABLE, repeat'],
    [500, ['InternalServerError', ''], 'APNS_UNAVAILABLE, repeat elsewhere'],
    [503, ['ServiceUnavailable', ''], 'APNS_UNAVAILABLE, repeat'],
    [503, ['Shutdown'], 'APNS_UNAVAILABLE, repeat elsewhere'],
    // By their status: no reason has a reaction of its own under another one.
    [502, ['', 'BadDeviceToken', 'ExpiredProviderToken'], 'APNS_UNAVAILABLE, repeat'],
    [302, [''], 'APNS_UNAVAILABLE, repeat'],
  ];
  for (const [status, reasons, reaction] of cases) {
    for (const reason of reasons) {
      const verdict = answered(status, reason && { reason });
      assert.equal(reactionTo(verdict), reaction, `${status} ${reason}`);
    }
  }
});

test('an accepted notification keeps the id that only the sandbox gives', () => {
  assert.deepEqual(answered(200), { kind: 'accepted' });
  assert.deepEqual(answered(200, '', { 'apns-unique-id': 'u' }), {
    kind: 'accepted',
    uniqueId: 'u',
  });
});

test("a rejection has Apple's reason, and of a dead token the time", () => {
  assert.deepEqual(answered(400, { reason: 'BadTopic', timestamp: 1 }), {
    kind: 'rejected',
    reason: 'BadTopic',
    httpStatus: 400,
  });
  assert.deepEqual(answered(410, { reason: 'Unregistered', timestamp: 1_700_000_000_000 }), {
    kind: 'rejected',
    reason: 'Unregistered',
    httpStatus: 410,
    unregisteredAt: 1_700_000_000_000,
  });
});

test('a body that is not what Apple sends leaves the status to decide', () => {
  const bodies = ['<html>', 'null', '[]', '"x"', '{"reason":1,"timestamp":"2"}', '{"reason":'];
  for (const body of bodies) {
    assert.deepEqual(answered(410, body), { kind: 'rejected', reason: '', httpStatus: 410 }, body);
  }
});

/** How long Apple's answer makes a repeat wait, in milliseconds. */
function waitAfter(header: string | undefined): number | undefined {
  const verdict = answered(503, '', header === undefined ? {} : { 'retry-after': header });
  assert.ok(verdict.kind === 'failed');
  return verdict.repeat?.afterMs;
}

test('a repeat waits as long as Retry-After says, in seconds or as a date', () => {
  const cases: [header: string | undefined, afterMs: number][] = [
    [undefined, 0],
    ['', 0],
    ['3', 3000],
    ['0', 0],
    ['-1', 0],
    ['soon', 0],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
  ];
  for (const [header, afterMs] of cases) assert.equal(waitAfter(header), afterMs, header);
  const before = Date.now();
  const afterMs = waitAfter('Fri, 01 Jan 2100 00:00:00 GMT') ?? 0;
  assert.ok(before + afterMs <= 4_102_444_800_000);
  assert.ok(Date.now() + afterMs >= 4_102_444_800_000);
});

test("the error of a final answer names Apple's status and reason", () => {
  const refused = answered(403, { reason: 'BadCertificate' });
  assert.ok(refused.kind === 'failed');
  assert.equal(refused.error.message, 'Apple answered 403 BadCertificate');
  const silent = answered(503);
  assert.ok(silent.kind === 'failed');
  assert.equal(silent.error.message, 'no answer from APNs: Apple answered 503');
});

test('what has no answer is repeated at once; what found a full queue, or can not be sent at all, is not', () => {
  for (const kind of ['unsent', 'unknown'] as const) {
    const cause = new ClosedError('the connection ended');
    const verdict = verdictOn({ kind, cause });
    assert.equal(reactionTo(verdict), 'APNS_UNAVAILABLE, repeat');
    assert.ok(verdict.kind === 'failed');
    assert.equal(verdict.repeat?.afterMs, 0);
    assert.equal(verdict.error.cause, cause);
    for (const final of [new OverloadedError('full'), new InvalidArgumentError('too long')]) {
      assert.equal(reactionTo(verdictOn({ kind, cause: final })), `${final.code}, final`);
    }
  }
});

test('reasons and ids of Apple are cut, and have nothing that a terminal or a log would obey', () => {
  const reason = `\u001b[2J\u202e\ud800${'x'.repeat(5000)}`;
  const rejected = answered(400, { reason });
  assert.ok(rejected.kind === 'rejected');
  assert.equal(rejected.reason, `?[2J??${'x'.repeat(58)}`);
  const failed = answered(503, { reason });
  assert.ok(failed.kind === 'failed');
  assert.ok(failed.error.message.includes(`503 ?[2J??${'x'.repeat(58)}`));
  assert.ok(failed.error.message.length < 150);
  const accepted = answered(200, '', { 'apns-unique-id': `\u0085${'y'.repeat(5000)}` });
  assert.ok(accepted.kind === 'accepted');
  assert.equal(accepted.uniqueId, `?${'y'.repeat(63)}`);
});

test('a time of a dead token that is no time is none', () => {
  const timestamps = [-1, 1e300, 8.64e15, 8.64e15 + 1, Date.UTC(9999, 0), 1.5, '1', null];
  for (const timestamp of timestamps) {
    const verdict = answered(410, { reason: 'Unregistered', timestamp });
    assert.ok(verdict.kind === 'rejected');
    assert.equal(verdict.unregisteredAt, undefined, String(timestamp));
  }
  for (const timestamp of [0, 1_700_000_000_000, Date.UTC(9999, 0) - 1]) {
    const verdict = answered(410, { reason: 'Unregistered', timestamp });
    assert.ok(verdict.kind === 'rejected');
    assert.equal(verdict.unregisteredAt, timestamp);
  }
});
