import assert from 'node:assert/strict';
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { readNamedFile } from '../../../src/apns/credentials/named-file.js';
import { file, folder } from '../../support/folder.js';

const maxBytes = 1 << 20;

test('a folder that becomes a link while its file is looked for leads nobody out of the root', async () => {
  const root = join(folder, 'root');
  const [inside, outside] = [join(root, 'certs'), join(folder, 'outside')];
  for (const each of [inside, outside]) {
    await mkdir(each, { recursive: true });
    await writeFile(join(each, 'apns.pem'), each);
  }
  const swapping = fork(join(import.meta.dirname, 'swapping.ts'), [inside, outside]);
  try {
    await once(swapping, 'message');
    const found = { inside: 0, refused: 0 };
    for (let times = 0; times < 3000; times += 1) {
      const path = join(inside, 'apns.pem');
      const read = await readNamedFile('cert', path, { maxBytes, root }).catch((error) => {
        // Nothing is told of what lies outside.
        assert.equal(error.message, `cert ${path} is no file in ${root}, where all have to be`);
      });
      if (read) assert.equal(read.toString(), inside);
      found[read ? 'inside' : 'refused'] += 1;
    }
    assert.ok(found.inside > 0 && found.refused > 0, JSON.stringify(found));
  } finally {
    const exited = once(swapping, 'exit');
    swapping.kill('SIGKILL');
    await exited;
  }
});

test('what is no regular file is refused at once, and what has no end is read no further than it may', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const socket = join(folder, 'socket');
  await using server = createServer().listen(socket);
  await once(server, 'listening');
  for (const path of [pipe, socket, folder, '/dev/zero', '/dev/tty']) {
    await assert.rejects(readNamedFile('cert', path, { maxBytes, root: undefined }), {
      message: `cert ${path} is not a regular file`,
    });
    await assert.rejects(readNamedFile('cert', path, { maxBytes, root: '/' }), {
      message: new RegExp(`^cert ${path} (is not a regular file|can't be read: E\\w+)$`),
    });
  }
  // Regular as far as the system tells, of no size, and longer than any memory.
  for (const root of [undefined, '/proc']) {
    const before = process.memoryUsage.rss();
    await assert.rejects(readNamedFile('cert', '/proc/self/pagemap', { maxBytes, root }), {
      message: 'cert /proc/self/pagemap is over 1048576 bytes',
    });
    assert.ok(process.memoryUsage.rss() - before < 50 << 20);
  }
});

test('a file is read whole up to its bound', async () => {
  const exact = await file('exact', Buffer.alloc(maxBytes, 'x'));
  const read = await readNamedFile('cert', exact, { maxBytes, root: folder });
  assert.equal(read.length, maxBytes);
  await assert.rejects(readNamedFile('cert', exact, { maxBytes: maxBytes - 1, root: folder }), {
    message: `cert ${exact} is over 1048575 bytes`,
  });
});
