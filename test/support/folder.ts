/** A temporary folder for the files of one test file, gone after its tests. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

export const folder = await mkdtemp(join(tmpdir(), 'apnsd-test-'));
after(() => rm(folder, { recursive: true }));

/** Writes a file into the folder, and gives its path. */
export async function file(name: string, contents: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, contents);
  return path;
}
