/** Reads a file that a caller named; an error never tells what it holds. */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { CredentialsError } from '../errors.js';

export interface NamedFileRules {
  maxBytes: number;
  /** A folder that the path must lead into, links followed. */
  root: string | undefined;
}

/**
 * @param path absolute
 * @throws CredentialsError that begins with the parameter's name
 */
export async function readNamedFile(
  name: string,
  path: string,
  { maxBytes, root }: NamedFileRules,
): Promise<Buffer> {
  const real = root === undefined ? path : await within(root, path);
  if (real === undefined) {
    throw new CredentialsError(`${name} ${path} is no file in ${root}, where all have to be`);
  }
  try {
    // Non-blocking, so that a named pipe can't hold the daemon up before it is refused.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    // Links were followed: one that comes now is meant to lead out of the folder.
    await using file = await open(real, root === undefined ? flags : flags | constants.O_NOFOLLOW);
    const stat = await file.stat();
    if (!stat.isFile()) throw new CredentialsError(`${name} ${path} is not a regular file`);
    if (stat.size > maxBytes) {
      throw new CredentialsError(`${name} ${path} is over ${maxBytes} bytes`);
    }
    return await file.readFile();
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new CredentialsError(`${name} ${path} can't be read: ${reason}`, { cause: error });
  }
}

/** Undefined for what is not there, too: callers learn nothing of other folders. */
async function within(root: string, path: string): Promise<string | undefined> {
  const folder = await realpath(root);
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return undefined;
  const inside = relative(folder, real);
  return inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside) ? undefined : real;
}
