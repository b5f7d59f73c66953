/** Requests of real XML-RPC clients and pyapns's answers, as they were on the wire: see the recordings' README. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../end-to-end/recordings');

/** What stands in the recordings for what only the place of recording had. */
export const placeholders = {
  pem: 'CERTIFICATE AND KEY',
  path: '/etc/apnsd/x/certs/app1.pem',
  otherPath: '/etc/apnsd/x/certs/app2.pem',
} as const;

export interface Message {
  /** Without the empty line at its end. */
  head: string;
  body: Buffer;
}

/** `CLIENT/CASE` of each. */
export const recordings: readonly string[] = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name: client }) =>
    readdirSync(join(folder, client))
      .filter((file) => file.endsWith('.req'))
      .map((file) => `${client}/${file.slice(0, -'.req'.length)}`),
  )
  .sort();

export function requestOf(recording: string): Message {
  return read(`${recording}.req`);
}

export function answerOf(recording: string): Message {
  return read(`${recording}.res`);
}

export function headerOf({ head }: Message, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trimEnd();
}

/** The bytes of a request with another body. */
export function withBody({ head }: Message, body: Buffer): Buffer {
  const length = head.replace(/^(content-length: *)\d+/im, `$1${body.length}`);
  return Buffer.concat([Buffer.from(`${length}\r\n\r\n`, 'latin1'), body]);
}

function read(file: string): Message {
  const bytes = readFileSync(join(folder, file));
  const end = bytes.indexOf('\r\n\r\n');
  return { head: bytes.toString('latin1', 0, end), body: bytes.subarray(end + 4) };
}
