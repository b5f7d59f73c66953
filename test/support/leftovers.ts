/** What a harness has started and made: whatever ends it, Ctrl-C too, ends the processes and removes the folders. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const children = new Set<ChildProcess>();
const folders = new Set<string>();

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, maxRetries: 3 });
});
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
process.once('SIGHUP', () => process.exit(129));

export function keep<T extends ChildProcess>(child: T): T {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'apnsd-'));
  folders.add(folder);
  return folder;
}

/** Ends all that was started and removes all that was made so far. */
export async function clearAway(): Promise<void> {
  await Promise.all(
    [...children].map((child) => {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      return exit;
    }),
  );
  for (const folder of folders) rmSync(folder, { recursive: true });
  folders.clear();
}
