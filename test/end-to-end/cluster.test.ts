import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { createSimulator } from '../../src/testing/index.js';
import { logBook } from '../support/log-book.js';
import { freePort } from '../support/scripted-daemon.js';

const processes = 16;
const retry = { firstDelayMs: 20, factor: 2, maxDelayMs: 250 };

/** One process of an app: a push at its start, and one more whenever it is told to. The package as it is built. */
const program = `
  import { createClient } from 'apnsd';
  const client = createClient(JSON.parse(process.env.OPTIONS));
  client.on('healing', () => process.send('healing'));
  const push = async () => process.send(await client.notify('ab'.repeat(32), 'hello'));
  process.on('message', push);
  await push();
`;

interface Member {
  child: ChildProcess;
  receipts: { status: string; id: string }[];
  healings: number;
}

function startMember(options: object, news: EventEmitter): Member {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    // Where the package finds itself by its name.
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, NODE_V8_COVERAGE: '', OPTIONS: JSON.stringify(options) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const member: Member = { child, receipts: [], healings: 0 };
  child.on('message', (message) => {
    if (message === 'healing') member.healings += 1;
    else member.receipts.push(message as Member['receipts'][0]);
    news.emit('news');
  });
  return member;
}

/** Hangs up on all that come until there were so many. */
async function slamDoor(port: number, times: number): Promise<void> {
  let knocks = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined).destroy();
    knocks += 1;
    if (knocks === times) server.emit('enough');
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'enough');
  await new Promise((resolve) => server.close(resolve));
}

test('sixteen processes that find their daemon started again make one pool of connections, none a backoff step late', async () => {
  await using simulator = await createSimulator();
  const port = await freePort();
  const { log, of } = logBook();
  const startDaemon = () =>
    createDaemon({
      listen: `127.0.0.1:${port}`,
      ca: simulator.ca,
      gateways: { sandbox: simulator.url },
      log,
    });
  await using first = await startDaemon();
  const host = `http://127.0.0.1:${port}/`;
  const initial = [{ appId: 'A', cert: simulator.certificate, environment: 'sandbox' }];
  const news = new EventEmitter();
  const members = Array.from({ length: processes }, () =>
    startMember({ host, initial, retry }, news),
  );
  const all = async (condition: (member: Member) => boolean) => {
    while (!members.every(condition)) await once(news, 'news');
  };
  try {
    await all(({ receipts }) => receipts.length === 1);
    assert.equal(simulator.connections, 1);
    await first.close();
    for (const { child } of members) child.send('push');
    await all(({ healings }) => healings === 1);
    // Ten knocks of each: without a limit to the pauses these would take a minute.
    await slamDoor(port, 10 * processes);
    await using _ = await startDaemon();
    const from = Date.now();
    await all(({ receipts }) => receipts.length === 2);
    // A step is a quarter of a second; the rest is for a machine that has other things to do.
    assert.ok(Date.now() - from < retry.maxDelayMs + 5000);
    assert.equal(simulator.connections, 2);
    assert.equal(of('provisioned').length, 2);
    assert.deepEqual(of('changing'), []);
    assert.deepEqual(
      members.map(({ healings }) => healings).filter((count) => count > 1),
      [],
    );
    const ids = new Set(members.flatMap(({ receipts }) => receipts.map(({ id }) => id)));
    assert.equal(ids.size, 2 * processes);
    assert.deepEqual(new Set(simulator.accepted.map(({ id }) => id)), ids);
  } finally {
    for (const { child } of members) child.kill('SIGKILL');
  }
});
