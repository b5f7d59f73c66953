/** The flags of `apnsd serve`, and the daemon's options that they stand for. */
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Environment } from '../apns/gateway.js';
import type { DaemonKeys, DaemonOptions } from '../daemon/daemon.js';
import { ConfigError } from '../errors.js';

export const serveHelp = `Usage: apnsd serve [options]

Takes XML-RPC calls and pushes to Apple, until SIGTERM or SIGINT; then it finishes
what it has accepted. A second signal ends it at once. SIGHUP reads --config, the
secrets and the files for TLS again.

  --listen ADDRESS       HOST:PORT, where port 0 takes a free one, or unix:/path.sock;
                         what others than this machine can reach needs TLS, and secrets
                         or client certificates (127.0.0.1:7077)
  --listen-mode MODE     who may connect to a unix socket (0600)
  --config FILE          JSON, { "initial": [...] }: apps to provision at start
  --gateway ENV=URL      another gateway for sandbox or production, or Apple's other
                         port: production=https://api.push.apple.com:2197,
                         sandbox=https://api.sandbox.push.apple.com:2197; may be repeated
                         (Apple's)
  --ca [ENV=]FILE        certificate authorities that gateways may be signed by, beside
                         those that Node brings, PEM; may be repeated
  --remember N           answers of Apple to keep for at most ten minutes, so that a
                         repeat gets the same and is not sent again (50000)
  --feedback-time ZONE   local or utc: the clock of the dates in feedback (local)
  --drain-timeout S      seconds to finish what was accepted, at the end (10)

Who may call:
  --secret-file FILE     lines of user:secret, of which callers must show one, as
                         HTTP Basic
  --tls-cert FILE        speak TLS with this certificate, PEM
  --tls-key FILE         its key, PEM
  --tls-client-ca FILE   callers must show a certificate that one of these authorities
                         has signed, PEM
  --insecure             listen on any address, even without TLS or secrets (off)
  --cert-root DIR        paths in provision and apnsd.provision must lead into it

How much:
  --max-body-bytes N     of one request; beyond it HTTP 413 (4194304)
  --max-depth N          arrays and structs within each other; beyond it, as for the
                         next three, fault -32600 (64)
  --max-values N         values in a call (200000)
  --max-name-length N    characters in a name (5120)
  --max-text-length N    characters in a value (16777216)
  --max-calls N          calls in flight; beyond it, as for the next, fault 503 (1000)
  --max-call-bytes N     the calls in flight together (8388608)
  --max-answer-bytes N   the answers that wait to be taken together; beyond it fault 503
                         (41943040)
  --max-connections N    one more is closed at once (4000)
  --headers-timeout S    seconds to send a request's headers; then HTTP 408 (10)
  --request-timeout S    seconds to send a whole request, then HTTP 408; and to go on
                         taking an answer, then the connection ends (30)

  --version              print the version
  --help                 show this
`;

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const boolean = { type: 'boolean' } as const;

const seconds = {
  'drain-timeout': 'drainTimeoutMs',
  'headers-timeout': 'headersTimeoutMs',
  'request-timeout': 'requestTimeoutMs',
} as const satisfies { [flag: string]: keyof DaemonOptions };

const counts = {
  remember: 'remember',
  'max-body-bytes': 'maxBodyBytes',
  'max-depth': 'maxDepth',
  'max-values': 'maxValues',
  'max-name-length': 'maxNameLength',
  'max-text-length': 'maxTextLength',
  'max-calls': 'maxCalls',
  'max-call-bytes': 'maxCallBytes',
  'max-answer-bytes': 'maxAnswerBytes',
  'max-connections': 'maxConnections',
} as const satisfies { [flag: string]: keyof DaemonOptions };

const numbers = Object.fromEntries(
  Object.keys({ ...seconds, ...counts }).map((flag) => [flag, text]),
) as Record<keyof typeof seconds | keyof typeof counts, typeof text>;

const flags = {
  ...numbers,
  listen: text,
  'listen-mode': text,
  config: text,
  gateway: texts,
  ca: texts,
  'secret-file': text,
  'tls-cert': text,
  'tls-key': text,
  'tls-client-ca': text,
  insecure: boolean,
  'cert-root': text,
  'feedback-time': text,
  version: boolean,
  help: boolean,
} as const;

export type Flags = ReturnType<typeof parseFlags>;

/** @throws what parseArgs throws */
export function parseFlags(argv: string[]) {
  return parseArgs({ args: argv, options: flags }).values;
}

/** @throws ConfigError, or an error for a file that can't be read */
export async function readOptions(values: Flags): Promise<DaemonOptions> {
  const options: DaemonOptions = {
    gateways: Object.fromEntries((values.gateway ?? []).map(parseGateway)),
    ca: await readAuthorities(values.ca ?? []),
    insecure: values.insecure ?? false,
    ...(await readKeys(values)),
  };
  if (values.listen !== undefined) options.listen = values.listen;
  if (values['listen-mode'] !== undefined) options.listenMode = parseMode(values['listen-mode']);
  if (values['cert-root'] !== undefined) options.certRoot = values['cert-root'];
  // Checked with the others.
  const time = values['feedback-time'];
  if (time !== undefined) options.feedbackTime = time as 'local' | 'utc';
  for (const [flag, name] of entriesOf(seconds)) {
    const value = values[flag];
    if (value !== undefined) options[name] = parseSeconds(`--${flag}`, value);
  }
  for (const [flag, name] of entriesOf(counts)) {
    const value = values[flag];
    if (value !== undefined) options[name] = parseCount(`--${flag}`, value);
  }
  return options;
}

/** What is read again on SIGHUP. @throws ConfigError, or an error for a file that can't be read */
export async function readKeys(values: Flags): Promise<DaemonKeys> {
  const { 'tls-cert': cert, 'tls-key': key, 'tls-client-ca': clientCa } = values;
  const keys: DaemonKeys = {};
  const secretFile = values['secret-file'];
  if (secretFile !== undefined) {
    keys.secrets = (await readStrictly('--secret-file', secretFile)).split(/\r?\n/);
  }
  if (cert !== undefined && key !== undefined) {
    keys.tls = { cert: await read('--tls-cert', cert), key: await read('--tls-key', key) };
    if (clientCa !== undefined) keys.tls.clientCa = await read('--tls-client-ca', clientCa);
  } else if ((cert ?? key ?? clientCa) !== undefined) {
    throw new ConfigError('--tls-cert and --tls-key belong together, expected both');
  }
  return keys;
}

/** What `--config` has. @throws an error for a file that can't be read */
export async function readInitial({ config: path }: Flags): Promise<unknown[]> {
  if (path === undefined) return [];
  const text = await readStrictly('--config', path);
  let initial: unknown;
  try {
    ({ initial } = Object(JSON.parse(text)));
  } catch {
    // The parser's own message may quote a key that stands in the file.
    throw new Error(`--config ${path} is not JSON, expected { "initial": [...] }`);
  }
  if (Array.isArray(initial)) return initial;
  throw new Error(`--config ${path} has no list, expected { "initial": [...] }`);
}

function entriesOf<T extends object>(table: T): [keyof T, T[keyof T]][] {
  return Object.entries(table) as [keyof T, T[keyof T]][];
}

function parseGateway(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new ConfigError(`--gateway is ${JSON.stringify(text)}, expected ENV=URL`);
}

async function readAuthorities(flags: string[]): Promise<Record<Environment, string[]>> {
  const authorities: Record<Environment, string[]> = { sandbox: [], production: [] };
  for (const flag of flags) {
    const [, environment, path = ''] = /^(?:(sandbox|production)=)?(.*)$/s.exec(flag) ?? [];
    const pem = await read('--ca', path);
    if (environment !== 'production') authorities.sandbox.push(pem);
    if (environment !== 'sandbox') authorities.production.push(pem);
  }
  return authorities;
}

function parseMode(text: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new ConfigError(`--listen-mode is ${JSON.stringify(text)}, expected a mode such as 0660`);
}

function parseSeconds(flag: string, text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= 86_400) return seconds * 1000;
  throw new ConfigError(`${flag} is ${JSON.stringify(text)}, expected seconds from 0 to 86400`);
}

function parseCount(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ConfigError(`${flag} is ${JSON.stringify(text)}, expected a whole number`);
}

/** PEM, whose text around the blocks may be in any encoding. */
async function read(flag: string, path: string): Promise<string> {
  return (await readBytes(flag, path)).toString('utf8');
}

const utf8 = new TextDecoder('UTF-8', { fatal: true });

/** UTF-8 without its byte order mark: what is no UTF-8 would be another secret, or name, than the one meant. */
async function readStrictly(flag: string, path: string): Promise<string> {
  const bytes = await readBytes(flag, path);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    const line = lineNotUtf8(bytes);
    throw new Error(
      `${flag} ${path} has bytes in line ${line} that are not UTF-8, expected UTF-8`,
      {
        cause,
      },
    );
  }
}

/** No byte of a character of UTF-8 is a line end but that of the line end itself. */
function lineNotUtf8(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const found = bytes.indexOf('\n', start);
    const end = found < 0 ? bytes.length : found;
    if (!isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
  return line;
}

async function readBytes(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${flag} ${path} can't be read: ${code ?? message}`, { cause: error });
  }
}
