import assert from 'node:assert/strict';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { createDaemon, type DaemonOptions } from '../../../src/daemon/index.js';
import { ConfigError, CredentialsError } from '../../../src/errors.js';
import { createAuthority } from '../../../src/testing/index.js';
import { callXml, type HttpOptions, post } from '../../support/calling.js';
import { logBook } from '../../support/log-book.js';

const listen = '127.0.0.1:0';
const listMethods = callXml('system.listMethods');

/** Certificates for a daemon and its callers. */
async function certificates() {
  const [authority, foreign] = await Promise.all([createAuthority(), createAuthority()]);
  const { certificate: cert, key } = await authority.serverCertificate();
  const wish = { topic: 'com.example.caller', environment: 'none' } as const;
  const [own, others] = await Promise.all([
    authority.issueCertificate(wish),
    foreign.issueCertificate(wish),
  ]);
  const { ca } = authority;
  return {
    tls: { cert, key },
    ca,
    /** What callers show: one that the authority has signed, another's, and none. */
    own: { ca, cert: own, key: own },
    others: { ca, cert: others, key: others },
    none: { ca },
  };
}

function basic(secret: string): HttpOptions {
  return { headers: { Authorization: `Basic ${Buffer.from(secret).toString('base64')}` } };
}

test('what a web page could post is refused: 403 with an Origin, 415 with the content type of a form', async () => {
  await using daemon = await createDaemon({ listen });
  for (const Origin of ['https://evil.example', 'http://localhost:7077', 'null', '']) {
    const answer = await post(daemon.url, listMethods, { headers: { Origin } });
    assert.equal(answer.status, 403, Origin);
    assert.equal(answer.text, 'a web page may not call: the request has an Origin\n');
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  const preflight = { 'Access-Control-Request-Method': 'POST', Origin: 'https://evil.example' };
  const answer = await post(daemon.url, '', { method: 'OPTIONS', headers: preflight });
  assert.equal(answer.status, 403);
  const forms = [
    'text/plain',
    'Text/Plain ; charset=utf-8',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
  ];
  for (const type of forms) {
    const answer = await post(daemon.url, listMethods, { headers: { 'Content-Type': type } });
    assert.equal(answer.status, 415, type);
    assert.match(
      answer.text,
      /^the content type is a web form's, \S+, expected text\/xml: send Content-Type: text\/xml\n$/,
    );
  }
});

test('any other content type will do, and so will none, and any host', async () => {
  await using daemon = await createDaemon({ listen });
  for (const type of ['text/xml', 'application/xml; charset=utf-8', 'application/octet-stream']) {
    const { status } = await post(daemon.url, listMethods, { headers: { 'Content-Type': type } });
    assert.equal(status, 200, type);
  }
  assert.equal((await post(daemon.url, listMethods, { headers: {} })).status, 200);
  const headers = { Host: 'push.example:80' };
  assert.equal((await post(daemon.url, listMethods, { headers })).status, 200);
});

test('with secrets callers must show one of them, on loopback too', async () => {
  const secrets = ['app:one', '', 'app:two', 'ünï:cödé:with colons '];
  await using daemon = await createDaemon({ listen, secrets });
  for (const secret of secrets.filter((line) => line !== '')) {
    const { status } = await post(daemon.url, listMethods, basic(secret));
    assert.equal(status, 200, secret);
  }
  const wrong: HttpOptions[] = [
    {},
    ...['app:three', 'app:on', 'app:one ', 'one', 'two:one', ':', ''].map(basic),
    { headers: { Authorization: 'Bearer one' } },
    { headers: { Authorization: 'app:one' } },
    { headers: { Authorization: 'Basic' } },
  ];
  for (const options of wrong) {
    const answer = await post(daemon.url, listMethods, options);
    assert.equal(answer.status, 401, JSON.stringify(options));
    assert.equal(answer.headers['www-authenticate'], 'Basic realm="apnsd", charset="UTF-8"');
    assert.equal(answer.text, 'wrong or missing secret\n');
  }
});

test('who has no secret learns nothing of the door behind it', async () => {
  await using daemon = await createDaemon({ listen, secrets: ['a:b'], maxBodyBytes: 10 });
  const headers = { 'Content-Type': 'text/plain' };
  assert.equal((await post(daemon.url, listMethods, { headers })).status, 401);
  assert.equal((await post(daemon.url, '', { method: 'GET' })).status, 401);
});

test('a thousand wrong secrets are one line in the log, which does not show them', async () => {
  const book = logBook();
  await using daemon = await createDaemon({ listen, secrets: ['a:b'], log: book.log });
  const before = Date.now();
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(
      Array.from({ length: 50 }, () => post(daemon.url, listMethods, basic('guess:4711'))),
    );
  }
  const seconds = Math.ceil((Date.now() - before) / 1000);
  const lines = book.of('refused');
  assert.ok(lines.length >= 1 && lines.length <= seconds + 1, `${lines.length} in ${seconds} s`);
  const [first] = lines;
  assert.deepEqual(first, { status: 401, reason: 'wrong or missing secret', from: '127.0.0.1' });
  assert.doesNotMatch(JSON.stringify(lines), /4711|guess/);
});

test('secrets can be changed while it runs, and bad ones leave the old working', async () => {
  await using daemon = await createDaemon({ listen, secrets: ['a:old'] });
  const statuses = async () => {
    const answers = ['a:old', 'a:new'].map((secret) =>
      post(daemon.url, listMethods, basic(secret)),
    );
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  assert.deepEqual(await statuses(), [200, 401]);
  daemon.changeKeys({ secrets: ['a:old', 'a:new'] });
  assert.deepEqual(await statuses(), [200, 200]);
  daemon.changeKeys({ secrets: ['a:new'] });
  assert.deepEqual(await statuses(), [401, 200]);
  for (const secrets of [[], [''], ['a:new', 'secret']]) {
    assert.throws(() => daemon.changeKeys({ secrets }), ConfigError);
  }
  assert.deepEqual(await statuses(), [401, 200]);
});

test('with TLS callers need the authority that signed the certificate, and nothing else', async () => {
  const { tls, none, ca } = await certificates();
  const book = logBook();
  await using daemon = await createDaemon({ listen, tls, log: book.log });
  assert.match(daemon.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.equal((await post(daemon.url, listMethods, { tls: none })).status, 200);
  await assert.rejects(post(daemon.url, listMethods), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  await assert.rejects(post(daemon.url.replace('https', 'http'), listMethods), {
    code: 'ECONNRESET',
  });
  const old = { ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' } as const;
  await assert.rejects(post(daemon.url, listMethods, { tls: old }));
  await book.until('handshake failed');
});

test('with client authorities callers must show a certificate that one of them has signed', async () => {
  const { tls, own, others, none, ca } = await certificates();
  await using daemon = await createDaemon({ listen, tls: { ...tls, clientCa: ca } });
  assert.equal((await post(daemon.url, listMethods, { tls: own })).status, 200);
  for (const caller of [others, none]) {
    const answer = await post(daemon.url, listMethods, { tls: caller });
    assert.equal(answer.status, 403);
    assert.equal(answer.text, 'no client certificate of a known authority\n');
  }
});

test('a resumed session is worth what the caller showed when it began', async () => {
  const { tls, own, others, none, ca } = await certificates();
  await using daemon = await createDaemon({ listen, tls: { ...tls, clientCa: ca } });
  const port = Number(new URL(daemon.url).port);
  const ask = async (options: ConnectionOptions) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, ...options });
    const sessions: Buffer[] = [];
    socket.on('session', (session) => sessions.push(session));
    await once(socket, 'secureConnect');
    const resumed = socket.isSessionReused();
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${listMethods.length}`;
    socket.write(`${head}\r\n\r\n${listMethods}`);
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(await text(socket)) ?? [];
    return { status, resumed, session: sessions.at(-1) };
  };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const cases = [[own, '200'] as const, [others, '403'] as const, [none, '403'] as const];
    for (const [caller, status] of cases) {
      const first = await ask({ ...caller, maxVersion });
      assert.equal(first.status, status, maxVersion);
      const again = await ask({ ...caller, maxVersion, session: first.session });
      assert.deepEqual([again.resumed, again.status], [true, status], maxVersion);
    }
  }
});

test('secrets and client certificates together are both asked for', async () => {
  const { tls, own, none, ca } = await certificates();
  const secrets = ['a:b'];
  await using daemon = await createDaemon({ listen, secrets, tls: { ...tls, clientCa: ca } });
  const status = async (options: HttpOptions) =>
    (await post(daemon.url, listMethods, options)).status;
  assert.equal(await status({ tls: own }), 401);
  assert.equal(await status({ tls: none, ...basic('a:b') }), 403);
  assert.equal(await status({ tls: own, ...basic('a:b') }), 200);
});

test('the certificate can be changed while it runs, and a bad one leaves the old working', async () => {
  const [old, other] = await Promise.all([certificates(), certificates()]);
  await using daemon = await createDaemon({ listen, tls: old.tls });
  daemon.changeKeys({ tls: other.tls });
  const mixed = { cert: old.tls.cert, key: other.tls.key };
  assert.throws(
    () => daemon.changeKeys({ tls: mixed }),
    new CredentialsError("tls.cert and tls.key can't be used: ERR_OSSL_X509_KEY_VALUES_MISMATCH"),
  );
  assert.equal((await post(daemon.url, listMethods, { tls: other.none })).status, 200);
  await assert.rejects(post(daemon.url, listMethods, { tls: old.none }));
});

test('a daemon without TLS does not get it while it runs', async () => {
  const { tls } = await certificates();
  await using daemon = await createDaemon({ listen });
  assert.throws(
    () => daemon.changeKeys({ tls }),
    new ConfigError('tls was not given at the start, so it is not taken later'),
  );
  assert.equal((await post(daemon.url, listMethods)).status, 200);
});

test('an address that others can reach needs TLS, and secrets or client certificates', async () => {
  const { tls, ca } = await certificates();
  const open = '0.0.0.0:0';
  const good: DaemonOptions[] = [
    { listen: open, tls, secrets: ['a:b'] },
    { listen: open, tls: { ...tls, clientCa: ca } },
  ];
  for (const options of good) {
    const book = logBook();
    await using daemon = await createDaemon({ ...options, log: book.log });
    assert.match(daemon.url, /^https:\/\/0\.0\.0\.0:\d+$/);
    assert.deepEqual(book.events(), ['listening']);
  }
  const authority = 'secrets or tls.clientCa';
  const bad: [options: DaemonOptions, lacks: string[]][] = [
    [{}, ['tls', authority]],
    [{ secrets: ['a:b'] }, ['tls']],
    [{ tls }, [authority]],
  ];
  for (const [options, lacks] of bad) {
    for (const listen of [open, '[::]:0', '192.0.2.1:0', 'example.com:0', '127.example.com:0']) {
      await assert.rejects(
        createDaemon({ ...options, listen }),
        new ConfigError(
          `listen is "${listen}", which others can reach: expected ${lacks.join(', and ')}, since whoever can reach the daemon can push; insecure goes without, on a private network`,
        ),
      );
    }
    const book = logBook();
    await using daemon = await createDaemon({
      ...options,
      listen: open,
      insecure: true,
      log: book.log,
    });
    assert.deepEqual(book.of('insecure'), [{ url: daemon.url, lacks }]);
  }
});
