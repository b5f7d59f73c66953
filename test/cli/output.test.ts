import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { lineWriter } from '../../src/cli/output.js';
import { call } from '../support/calling.js';
import { nodeArguments } from '../support/command.js';
import { folder } from '../support/folder.js';
import { keep } from '../support/leftovers.js';

const serve = nodeArguments('serve', '--listen', '127.0.0.1:0');

async function endOf(child: ChildProcess): Promise<unknown[]> {
  return child.exitCode === null ? once(child, 'exit') : [child.exitCode, child.signalCode];
}

test('the daemon serves on where nobody reads its stdout any more', async () => {
  const child = keep(spawn(process.execPath, serve, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const ended = once(child, 'exit');
  // Long before it has anything to say.
  child.stdout.destroy();
  const lines = createInterface(child.stderr);
  let url = '';
  for await (const line of lines) {
    ({ url = '' } = JSON.parse(line));
    if (url) break;
  }
  const names = (await call(url, 'system.listMethods')) as string[];
  assert.ok(names.includes('notify'));
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
});

/** A pipe with a reader that reads nothing, and no room left. */
function fullPipe(name: string): { writer: number; reader: number } {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  for (let bytes = 4096; bytes > 0; ) {
    try {
      writeSync(reader, Buffer.alloc(bytes, '\n'));
    } catch {
      bytes >>= 1;
    }
  }
  return { writer, reader };
}

test('a log that is a full pipe holds up neither calls nor the end', async () => {
  const { writer, reader } = fullPipe('full');
  const child = keep(spawn(process.execPath, serve, { stdio: ['ignore', 'pipe', writer] }));
  closeSync(writer);
  const [line] = await once(
    createInterface(child.stdout as NonNullable<typeof child.stdout>),
    'line',
  );
  const [url = ''] = /http:\S+/.exec(String(line)) ?? [];
  await assert.rejects(call(url, 'no.such'), { faultCode: -32601 });
  child.kill('SIGTERM');
  assert.deepEqual(await endOf(child), [0, null]);
  closeSync(reader);
});

test('what was logged before the end is read by whoever reads late', async () => {
  const { writer, reader } = fullPipe('late');
  const child = keep(spawn(process.execPath, serve, { stdio: ['ignore', 'pipe', writer] }));
  closeSync(writer);
  await once(createInterface(child.stdout as NonNullable<typeof child.stdout>), 'line');
  child.kill('SIGTERM');
  let read = '';
  const piece = Buffer.alloc(1 << 16);
  while (!read.includes('"event":"stopped"')) {
    try {
      read += piece.toString('latin1', 0, readSync(reader, piece));
    } catch {
      await setTimeout(10);
    }
  }
  assert.deepEqual(await endOf(child), [0, null]);
  closeSync(reader);
});

test('lines that nobody takes are dropped beyond a bound, and counted once there is room again', () => {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const output = new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      taken.push(line);
      waiting.push(done);
    },
  });
  const write = lineWriter(output, 100);
  const line = `${'x'.repeat(49)}\n`;
  for (let each = 0; each < 10; each += 1) write(line);
  assert.equal(output.writableLength, 150);
  while (output.writableLength > 0) waiting.shift()?.();
  write(line);
  while (output.writableLength > 0) waiting.shift()?.();
  const [, , , lost = '', ...rest] = taken;
  assert.equal(taken.length, 5);
  assert.deepEqual(rest, [line]);
  const { event, lines } = JSON.parse(lost);
  assert.deepEqual({ event, lines }, { event: 'lines dropped', lines: 7 });
});
