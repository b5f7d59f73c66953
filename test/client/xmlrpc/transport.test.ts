import assert from 'node:assert/strict';
import { createServer as createUnixServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { settingsFrom } from '../../../src/client/config/settings.js';
import { Transport } from '../../../src/client/xmlrpc/transport.js';
import {
  AuthenticationError,
  DaemonUnavailableError,
  InvalidArgumentError,
  type Options,
  UnknownAppIdError,
} from '../../../src/index.js';
import { Fault } from '../../../src/rpc/faults.js';
import { PlainJson } from '../../../src/rpc/json.js';
import { encodeAnswer } from '../../../src/rpc/xml.js';
import { createAuthority } from '../../../src/testing/index.js';
import { gateTo } from '../../support/gate.js';
import { freePort, type Script, scriptedDaemon } from '../../support/scripted-daemon.js';

const limits = { timeoutMs: 5000 };

function transportTo(host: string, options: Options = {}) {
  const settings = settingsFrom({ host, ...options });
  const transport = new Transport(settings.host, () => settings.maxAnswerBytes);
  return Object.assign(transport, { [Symbol.asyncDispose]: () => transport.close() });
}

async function failureFrom(script: Script, timeoutMs = 5000): Promise<unknown> {
  await using daemon = await scriptedDaemon(script);
  await using transport = transportTo(daemon.url);
  return transport.call('m', [], { timeoutMs }).then(
    (value) => assert.fail(`answered ${value}`),
    (error) => error,
  );
}

test('connections are kept alive and used again', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  for (let call = 0; call < 5; call += 1) {
    assert.equal(await transport.call('m', [], limits), 'ok');
  }
  assert.equal(daemon.connections(), 1);
});

test('JSON text arrives as it was written, whatever it holds', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  const value = ['<b>&amp;</b>', ']]>', '\ufffe\uffff\ud800\0\r\n', 'é👋', '"\\u003c'];
  await transport.call('m', [new PlainJson(JSON.stringify(value))], limits);
  assert.deepEqual(JSON.parse(String(daemon.calls[0]?.params[0])), value);
});

test('path, query and secret are sent as configured', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(`http://user:se%20cret@127.0.0.1:${daemon.port}/a/b?c=d`);
  await transport.call('m', [], limits);
  const [call] = daemon.calls;
  assert.equal(call?.path, '/a/b?c=d');
  assert.equal(call?.headers.authorization, `Basic ${btoa('user:se cret')}`);
});

test('a fault is the error of its number', async () => {
  const error = await failureFrom(() => new Fault(404, 'who?'));
  assert.ok(error instanceof UnknownAppIdError);
  assert.equal(error.message, 'who?');
});

test('what is no answer is the error that design tables for it', async () => {
  const status = (code: number): Script => {
    return (_, response) => {
      response.writeHead(code, { 'Content-Type': 'text/html' }).end('<html>nginx</html>');
      return undefined;
    };
  };
  const rows: [string, Script, new (message: string) => Error][] = [
    ['401', status(401), AuthenticationError],
    ['403', status(403), AuthenticationError],
    ['404', status(404), DaemonUnavailableError],
    ['408', status(408), InvalidArgumentError],
    ['413', status(413), InvalidArgumentError],
    ['415', status(415), InvalidArgumentError],
    ['500', status(500), DaemonUnavailableError],
    ['502', status(502), DaemonUnavailableError],
    ['an HTML page with 200', status(200), DaemonUnavailableError],
    ['an empty body', (_, response) => void response.end(), DaemonUnavailableError],
    [
      'half an answer',
      (_, response) => void response.end('<?xml version="1.0"?><methodRe'),
      DaemonUnavailableError,
    ],
    [
      'a fault that is no struct, on which the package would throw where nobody could catch it',
      (_, response) => void response.end('<methodResponse><fault></fault></methodResponse>'),
      DaemonUnavailableError,
    ],
    ['a connection cut', (_, response) => void response.destroy(), DaemonUnavailableError],
    [
      'a body cut',
      (_, response) => {
        response.writeHead(200, { 'Content-Length': 1000 });
        response.write('<?xml version="1.0"?><methodResponse>', () => response.destroy());
        return undefined;
      },
      DaemonUnavailableError,
    ],
  ];
  for (const [name, script, errorClass] of rows) {
    const error = await failureFrom(script);
    assert.ok(error instanceof errorClass, `${name}: ${error}`);
  }
});

test('an answer without end is left at maxAnswerBytes, with its connection', async () => {
  let sent = 0;
  let ended = () => {};
  const over = new Promise<void>((resolve) => (ended = resolve));
  await using daemon = await scriptedDaemon((_, response) => {
    const piece = Buffer.alloc(65_536, '<!-- -->');
    const more = () => {
      while (!response.destroyed && response.write(piece)) sent += piece.length;
    };
    response.on('drain', more).on('close', ended).write('<methodResponse>');
    more();
    return undefined;
  });
  await using transport = transportTo(daemon.url, { maxAnswerBytes: 1_000_000 });
  await assert.rejects(transport.call('m', [], limits), (error: Error) => {
    assert.ok(error instanceof DaemonUnavailableError);
    assert.match(
      error.message,
      /answered more than 1000000 bytes, expected at most maxAnswerBytes$/,
    );
    return true;
  });
  await over;
  // What is beyond the bound stood in the sockets' buffers.
  assert.ok(sent < 50_000_000, `${sent} bytes were taken`);
});

test('an answer of maxAnswerBytes is read', async () => {
  await using daemon = await scriptedDaemon(() => 'x'.repeat(5_000_000));
  const size = Buffer.byteLength(encodeAnswer('x'.repeat(5_000_000)));
  await using exact = transportTo(daemon.url, { maxAnswerBytes: size });
  assert.equal(String(await exact.call('m', [], limits)).length, 5_000_000);
  await using less = transportTo(daemon.url, { maxAnswerBytes: size - 1 });
  await assert.rejects(less.call('m', [], limits), DaemonUnavailableError);
});

test('a daemon that never answers is given up at the time-out', async () => {
  const error = await failureFrom(() => undefined, 50);
  assert.ok(error instanceof DaemonUnavailableError);
  assert.match(error.message, /did not answer in 50 ms/);
});

test('a daemon that begins to answer and never ends is given up at the time-out', async () => {
  const error = await failureFrom((_, response) => {
    response.write('<?xml version="1.0"?><methodResponse>');
    return undefined;
  }, 100);
  assert.match(String(error), /did not answer in 100 ms/);
});

test('a connection that the daemon closed while we wrote is repeated at once, once, and on a new one', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  const both = () =>
    Promise.all([transport.call('m', [], limits), transport.call('m', [], limits)]);
  await both();
  const kept = daemon.connections();
  daemon.script = (_, response) => {
    daemon.script = () => 'ok';
    response.destroy();
    return undefined;
  };
  assert.equal(await transport.call('m', [], limits), 'ok');
  assert.equal(daemon.calls.length, 4);
  assert.equal(daemon.connections(), kept + 1);
  daemon.script = (_, response) => void response.destroy();
  await assert.rejects(transport.call('m', [], limits), DaemonUnavailableError);
  assert.equal(daemon.calls.length, 6);
});

test('what was given up is not repeated, though its connection was a kept one', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  await transport.call('m', [], limits);
  daemon.script = () => undefined;
  await assert.rejects(transport.call('m', [], { timeoutMs: 50 }), /did not answer in 50 ms/);
  daemon.script = () => 'ok';
  await transport.call('m', [], limits);
  assert.equal(daemon.calls.length, 3);
});

test('where the network went without a word, one time-out is enough to leave all kept connections', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using gate = await gateTo(daemon.url);
  await using transport = transportTo(gate.url.replace('https', 'http'));
  const answers = Array.from({ length: 5 }, () => transport.call('m', [], limits));
  await Promise.all(answers);
  assert.equal(gate.arrivals, 5);
  gate.freeze();
  await assert.rejects(transport.call('m', [], { timeoutMs: 100 }), /did not answer in 100 ms/);
  assert.equal(await transport.call('m', [], limits), 'ok');
  assert.equal(gate.arrivals, 6);
});

test('a refused connection says so, with its cause', async () => {
  await using transport = transportTo(`http://127.0.0.1:${await freePort()}/`);
  await assert.rejects(transport.call('m', [], limits), (error: Error) => {
    assert.ok(error instanceof DaemonUnavailableError);
    assert.match(error.message, /can't be reached: .*ECONNREFUSED/);
    assert.ok(error.cause instanceof Error);
    return true;
  });
});

test('an abort ends what is under way with its reason', async () => {
  await using daemon = await scriptedDaemon(() => undefined);
  await using transport = transportTo(daemon.url);
  const controller = new AbortController();
  const calls = Array.from({ length: 40 }, () =>
    transport.call('m', [], { ...limits, signal: controller.signal }),
  );
  const reason = new Error('enough');
  controller.abort(reason);
  for (const result of await Promise.allSettled(calls)) {
    assert.ok(result.status === 'rejected' && result.reason === reason);
  }
});

test('a parameter that XML cannot carry is an error of ours, and nothing is sent', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  await assert.rejects(transport.call('m', ['\u0001'], limits), InvalidArgumentError);
  assert.equal(daemon.calls.length, 0);
});

test('close lets the call under way finish', async () => {
  let answer = (_: string) => {};
  await using daemon = await scriptedDaemon(
    () => new Promise<string>((resolve) => (answer = resolve)),
  );
  const transport = transportTo(daemon.url);
  const call = transport.call('m', [], limits);
  while (daemon.calls.length === 0) await new Promise(setImmediate);
  const closed = transport.close();
  answer('late');
  assert.equal(await call, 'late');
  await closed;
});

test('a unix socket is as good as a port', async () => {
  const path = join(tmpdir(), `apnsd-${process.pid}-${Date.now()}.sock`);
  const server = createUnixServer((_, response) => response.end(encodeAnswer('ok')));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const transport = transportTo(`unix:${path}`);
  assert.equal(await transport.call('m', [], limits), 'ok');
  await transport.close();
  await new Promise((resolve) => server.close(resolve));
});

test('https is used with an authority of its own', async () => {
  const authority = await createAuthority();
  const { certificate, key } = await authority.serverCertificate();
  const server = createHttpsServer({ cert: certificate, key }, (_, response) => {
    response.end(encodeAnswer('ok'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const trusting = transportTo(host, { tls: { ca: authority.ca } });
  assert.equal(await trusting.call('m', [], limits), 'ok');
  await trusting.close();
  const careful = transportTo(host);
  await assert.rejects(careful.call('m', [], limits), DaemonUnavailableError);
  await careful.close();
  await new Promise((resolve) => server.close(resolve));
});

test('a server that speaks no HTTP is unavailable', async () => {
  const server = createTcpServer((socket) => socket.resume().end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const transport = transportTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await assert.rejects(transport.call('m', [], limits), DaemonUnavailableError);
  await transport.close();
  await new Promise((resolve) => server.close(resolve));
});

test('a parameter that XML can not carry is refused without a word of what it holds', async () => {
  await using daemon = await scriptedDaemon(() => 'ok');
  await using transport = transportTo(daemon.url);
  const secret = 'c2VjcmV0';
  const error = await transport.call('m', [{ passphrase: `${secret}\u0001` }], limits).then(
    () => assert.fail('it was sent'),
    (error) => error,
  );
  assert.ok(error instanceof InvalidArgumentError);
  assert.equal(error.message, 'a parameter has a character that XML can not carry');
  assert.doesNotMatch(inspect(error, { depth: 10 }), new RegExp(secret));
});
