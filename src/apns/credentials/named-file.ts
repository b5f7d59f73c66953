/** Reads a file that a caller named; an error never tells what it holds. */
import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { CredentialsError } from '../../errors.js';

export interface NamedFileRules {
  maxBytes: number;
  /** A folder that the path must lead into, links followed. */
  root: string | undefined;
}

/** Non-blocking, so that a named pipe can't hold the daemon up before it is refused; a terminal does not become the daemon's own. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const pieceBytes = 64 << 10;

/**
 * @param path absolute
 * @throws CredentialsError that begins with the parameter's name
 */
export async function readNamedFile(
  name: string,
  path: string,
  { maxBytes, root }: NamedFileRules,
): Promise<Buffer> {
  try {
    await using file = root === undefined ? await openAny(path) : await openWithin(root, path);
    if (!file) {
      throw new CredentialsError(`${name} ${path} is no file in ${root}, where all have to be`);
    }
    if (!(await file.stat()).isFile()) throw new NotRegular();
    const contents = await readOver(file, maxBytes);
    if (contents.length <= maxBytes) return contents;
    throw new CredentialsError(`${name} ${path} is over ${maxBytes} bytes`);
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    if (error instanceof NotRegular) {
      throw new CredentialsError(`${name} ${path} is not a regular file`);
    }
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new CredentialsError(`${name} ${path} can't be read: ${reason}`, { cause: error });
  }
}

class NotRegular extends Error {}

async function openAny(path: string): Promise<FileHandle> {
  // Some devices do something when they are opened.
  if (!(await stat(path)).isFile()) throw new NotRegular();
  return open(path, flags);
}

/** Undefined for what lies outside, and for what is not there: callers learn nothing of other folders. */
async function openWithin(root: string, path: string): Promise<FileHandle | undefined> {
  const [folder, real] = await Promise.all([root, path].map((each) => resolved(each)));
  if (folder === undefined || real === undefined || !contains(folder, real)) return undefined;
  const file = await open(real, flags | constants.O_NOFOLLOW).catch(nothingIfGone);
  // A folder on the way may have become a link meanwhile: what counts is where the file is that was opened.
  if (!file || (await isIn(folder, file, real))) return file;
  await file.close();
  return undefined;
}

/** Where an open file is, whatever its name leads to by now. */
async function isIn(folder: string, file: FileHandle, real: string): Promise<boolean> {
  const own = await readlink(`/proc/self/fd/${file.fd}`).catch(() => undefined);
  if (own !== undefined) return contains(folder, own);
  // Systems without /proc don't tell: there the name has to lead to the same file once more.
  const again = await resolved(real);
  if (again !== real) return false;
  const [opened, named] = await Promise.all([file.stat(), stat(real).catch(() => undefined)]);
  return opened.dev === named?.dev && opened.ino === named.ino;
}

async function resolved(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

function nothingIfGone(error: NodeJS.ErrnoException): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code ?? '')) throw error;
}

function contains(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  const leadsOut = inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside);
  return isAbsolute(path) && !leadsOut;
}

/** Little more than the most: files such as those of /proc have no size and no end, and some are read in whole pieces only. */
async function readOver(file: FileHandle, most: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let length = 0; length <= most; ) {
    const piece = Buffer.allocUnsafeSlow(pieceBytes);
    const { bytesRead } = await file.read(piece);
    if (bytesRead === 0) break;
    pieces.push(piece.subarray(0, bytesRead));
    length += bytesRead;
  }
  return Buffer.concat(pieces);
}
