/** `apnsd serve`: the daemon as a process. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Environment } from '../apns/gateway.js';
import { createDaemon, type Daemon, type DaemonOptions } from '../daemon/daemon.js';
import { jsonLog, type Log } from '../daemon/log.js';
import { version } from '../daemon/version.js';
import { ConfigError } from '../errors.js';
import { failure } from './failure.js';

export const serveHelp = `Usage: apnsd serve [options]

Takes XML-RPC calls and pushes to Apple, until SIGTERM or SIGINT; then it finishes
what it has accepted. A second signal ends it at once. SIGHUP reads --config again.

  --listen HOST:PORT   a loopback address; port 0 takes a free one (127.0.0.1:7077)
  --config FILE        JSON, { "initial": [...] }: apps to provision at start
  --gateway ENV=URL    another gateway than Apple's for sandbox or production, or its
                       other port: production=https://api.push.apple.com:2197,
                       sandbox=https://api.sandbox.push.apple.com:2197; may be repeated
  --ca [ENV=]FILE      certificate authorities that gateways may be signed by, beside
                       the usual ones, PEM; may be repeated
  --remember N         answers of Apple to keep for at most ten minutes, so that a
                       repeat gets the same and is not sent again (50000)
  --drain-timeout S    seconds to finish what was accepted, at the end (10)
  --version            print the version
  --help               show this
`;

/** @returns the exit code: 0 after a clean end, 1 after a failure, 2 for wrong usage */
export async function serve(argv: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        listen: { type: 'string' },
        config: { type: 'string' },
        gateway: { type: 'string', multiple: true },
        ca: { type: 'string', multiple: true },
        remember: { type: 'string' },
        'drain-timeout': { type: 'string' },
        version: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help || values.version) {
      process.stdout.write(values.help ? serveHelp : `${version}\n`);
      return 0;
    }
    const log = jsonLog((line) => process.stderr.write(line));
    const options: DaemonOptions = {
      gateways: Object.fromEntries((values.gateway ?? []).map(parseGateway)),
      ca: await readAuthorities(values.ca ?? []),
      log,
    };
    if (values.listen !== undefined) options.listen = values.listen;
    if (values.remember !== undefined) options.remember = parseCount('--remember', values.remember);
    if (values['drain-timeout'] !== undefined) {
      options.drainTimeoutMs = parseSeconds('--drain-timeout', values['drain-timeout']);
    }
    await run(options, values.config, log);
    return 0;
  } catch (error) {
    return failure('serve', error);
  }
}

async function run(options: DaemonOptions, config: string | undefined, log: Log): Promise<void> {
  // Whoever read the log is gone: no reason to stop pushing.
  process.stderr.on('error', () => undefined);
  const starting = start(options, config);
  let read: Promise<unknown> = starting.catch(() => undefined);
  process.on('SIGHUP', () => {
    // One after the other, so that the last reading of the file is the one that counts.
    read = read.then(() => readAgain(starting, config, log));
  });
  const daemon = await starting;
  process.stdout.write(`apnsd listening on ${daemon.url}\n`);
  let stopping = false;
  await new Promise<void>((resolve) => {
    const stop = () => {
      if (stopping) process.exit(1);
      stopping = true;
      resolve();
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
  });
  await daemon.close();
}

async function start(options: DaemonOptions, config: string | undefined): Promise<Daemon> {
  const initial = config === undefined ? [] : await readConfig(config);
  return createDaemon({ ...options, initial });
}

/** What is wrong with the file, or with an entry, leaves the apps as they are. */
async function readAgain(
  daemon: Promise<Daemon>,
  config: string | undefined,
  log: Log,
): Promise<void> {
  if (config === undefined) return log('no config to read again');
  try {
    const { provision } = await daemon;
    await provision(await readConfig(config));
    log('config read again');
  } catch (error) {
    log('config refused', { reason: (error as Error).message });
  }
}

function parseGateway(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new ConfigError(`--gateway is ${JSON.stringify(text)}, expected ENV=URL`);
}

function parseCount(flag: string, text: string): number {
  if (/^\d{1,8}$/.test(text)) return Number(text);
  throw new ConfigError(`${flag} is ${JSON.stringify(text)}, expected a number such as 50000`);
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

function parseSeconds(flag: string, text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= 86_400) return seconds * 1000;
  throw new ConfigError(`${flag} is ${JSON.stringify(text)}, expected seconds from 0 to 86400`);
}

async function read(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`${flag} ${path} can't be read: ${code ?? message}`, { cause: error });
  }
}

async function readConfig(path: string): Promise<unknown[]> {
  const text = await read('--config', path);
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
