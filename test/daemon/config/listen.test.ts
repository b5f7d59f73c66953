import assert from 'node:assert/strict';
import { lstat, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDaemon } from '../../../src/daemon/index.js';
import { ConfigError } from '../../../src/errors.js';
import { callXml, post } from '../../support/calling.js';
import { run, serve } from '../../support/command.js';
import { file, folder } from '../../support/folder.js';

const listMethods = callXml('system.listMethods');

async function modeOf(path: string): Promise<number> {
  return (await lstat(path)).mode & 0o777;
}

async function answers(url: string): Promise<boolean> {
  return (await post(url, listMethods)).status === 200;
}

test('a unix socket is for the own user only, or has the mode that was asked for, and goes with the daemon', async () => {
  const path = join(folder, 'apnsd.sock');
  const umask = process.umask(0o077);
  try {
    for (const [listenMode, mode] of [[undefined, 0o600] as const, [0o660, 0o660] as const]) {
      const options = { listen: `unix:${path}`, ...(listenMode && { listenMode }) };
      await using daemon = await createDaemon(options);
      assert.equal(daemon.url, `unix:${path}`);
      assert.equal(await modeOf(path), mode);
      assert.ok(await answers(daemon.url));
      assert.equal(process.umask(), 0o077);
      await daemon.close();
      await assert.rejects(lstat(path), { code: 'ENOENT' });
    }
  } finally {
    process.umask(umask);
  }
});

test('the socket of a daemon that was killed is replaced', async () => {
  const path = join(folder, 'killed.sock');
  await using killed = await serve('--listen', `unix:${path}`);
  killed.signal('SIGKILL');
  await killed.ended;
  assert.ok((await lstat(path)).isSocket());
  await using daemon = await createDaemon({ listen: `unix:${path}` });
  assert.ok(await answers(daemon.url));
});

test('the socket of a daemon that lives is left alone', async () => {
  const listen = `unix:${join(folder, 'live.sock')}`;
  await using daemon = await createDaemon({ listen });
  await assert.rejects(createDaemon({ listen }), { code: 'EADDRINUSE' });
  assert.ok(await answers(daemon.url));
});

test('what is no socket is left alone: a file, a folder, a link', async () => {
  const kept = await file('kept', 'precious');
  const link = join(folder, 'link');
  const target = join(folder, 'target.sock');
  await symlink(target, link);
  await using _ = await createDaemon({ listen: `unix:${target}` });
  for (const path of [kept, folder, link]) {
    await assert.rejects(createDaemon({ listen: `unix:${path}` }), { code: 'EADDRINUSE' }, path);
  }
  assert.equal(await readFile(kept, 'utf8'), 'precious');
  assert.ok((await lstat(link)).isSymbolicLink());
});

test('a socket in a folder that is not there is one line and exit code 1', async () => {
  const { code, stderr } = await run('serve', '--listen', 'unix:/no/such/apnsd.sock');
  assert.equal(code, 1);
  assert.match(stderr, /^apnsd serve: listen (EACCES|ENOENT).*\/no\/such\/apnsd\.sock\n$/);
});

test('a path that is relative, or longer than the system takes, is a ConfigError', async () => {
  const long = `/${'x'.repeat(103)}`;
  for (const path of ['apnsd.sock', './apnsd.sock', '', long, `/${'ü'.repeat(52)}`]) {
    await assert.rejects(
      createDaemon({ listen: `unix:${path}` }),
      new ConfigError(`listen is "unix:${path}", expected unix:/path of at most 103 bytes`),
    );
  }
});

test('mode and TLS that do not fit the address are a ConfigError', async () => {
  await assert.rejects(
    createDaemon({ listen: '127.0.0.1:0', listenMode: 0o600 }),
    new ConfigError('listenMode is for unix sockets, but listen is "127.0.0.1:0"'),
  );
  await assert.rejects(
    createDaemon({ listen: 'unix:/tmp/a.sock', tls: { cert: '', key: '' } }),
    new ConfigError('tls is for HOST:PORT, but listen is a unix socket'),
  );
});
