import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ApnsdError,
  ApnsUnavailableError,
  ConfigError,
  CredentialsError,
  DaemonError,
  ExpiredError,
  InvalidArgumentError,
  InvalidEnvironmentError,
  NotConfiguredError,
  OverloadedError,
  ProtocolError,
  UnknownAppIdError,
} from '../../src/errors.js';
import { errorOf, errorOfCode, Fault, faultOf } from '../../src/rpc/faults.js';

const table: [faultCode: number, error: ApnsdError][] = [
  [404, new UnknownAppIdError('why')],
  [428, new NotConfiguredError('why')],
  [401, new InvalidEnvironmentError('why')],
  [400, new InvalidArgumentError('why')],
  [422, new CredentialsError('why')],
  [500, new ApnsUnavailableError('why')],
  [503, new OverloadedError('why')],
  [-32700, new ProtocolError('why')],
  [-32500, new DaemonError('why')],
];

test('an error of the daemon is the same error on the client', () => {
  for (const [faultCode, error] of table) {
    const fault = faultOf(error);
    assert.equal(fault.faultCode, faultCode);
    assert.equal(fault.message, 'why');
    assert.equal(fault.cause, error);
    const received = errorOf(new Fault(fault.faultCode, fault.message));
    assert.equal(received.constructor, error.constructor);
    assert.equal(received.message, 'why');
  }
});

test('the three faults about XML and methods are protocol errors', () => {
  for (const faultCode of [-32700, -32600, -32601]) {
    const error = errorOf(new Fault(faultCode, 'why'));
    assert.ok(error instanceof ProtocolError);
    assert.equal(error.message, 'why');
  }
});

test("an error that is not ours is an internal one, and its text stays in the daemon's log", () => {
  for (const error of [new TypeError('secret'), new ConfigError('secret'), 'secret', undefined]) {
    const fault = faultOf(error);
    assert.equal(fault.faultCode, -32500);
    assert.doesNotMatch(fault.message, /secret/);
    assert.equal(fault.cause, error);
  }
});

test('what a terminal or a log would obey is written out', () => {
  const { message } = faultOf(new InvalidArgumentError('environment is "sand\x7fbox\u202e"'));
  assert.equal(message, 'environment is "sand\\u{7f}box\\u{202e}"');
});

test('the text of a fault is ASCII, whatever it shows', () => {
  const shown = 'topic "Grüße" of token …abc, "😀"';
  const text = 'topic "Gr\\u{fc}\\u{df}e" of token ...abc, "\\u{1f600}"';
  assert.equal(faultOf(new InvalidArgumentError(shown)).message, text);
  const fault = new Fault(-32600, shown);
  const { faultCode, message, cause } = faultOf(fault);
  assert.deepEqual([faultCode, message, cause], [-32600, text, fault]);
});

test('a fault stays the fault that it is', () => {
  const fault = new Fault(-32601, 'why');
  assert.equal(faultOf(fault), fault);
});

test('a fault of another server is a protocol error that tells its number', () => {
  const error = errorOf(new Fault(8002, 'error'));
  assert.ok(error instanceof ProtocolError);
  assert.equal(error.message, 'fault 8002: error');
});

test('what failed in apnsd.send is the error of its code on the client', () => {
  for (const error of [...table.map(([, error]) => error), new ExpiredError('why')]) {
    const received = errorOfCode(error.code, 'why');
    assert.equal(received.constructor, error.constructor);
    assert.equal(received.message, 'why');
  }
  const unknown = errorOfCode('NEWER', 'why');
  assert.ok(unknown instanceof ProtocolError);
  assert.equal(unknown.message, 'the daemon answered code NEWER: why');
});
