/** `apnsd serve`: the daemon as a process. */

import { jsonLog, type Log } from '../daemon/config/json-log.js';
import { createDaemon, type Daemon } from '../daemon/daemon.js';
import { version } from '../daemon/version.js';
import { failure } from './failure.js';
import { lineWriter } from './output.js';
import {
  type Flags,
  parseFlags,
  readInitial,
  readKeys,
  readOptions,
  serveHelp,
} from './serve-flags.js';

/** @returns the exit code: 0 after a clean end, 1 after a failure, 2 for wrong usage */
export async function serve(argv: string[]): Promise<number> {
  try {
    const flags = parseFlags(argv);
    if (flags.help || flags.version) {
      process.stdout.write(flags.help ? serveHelp : `${version}\n`);
      return 0;
    }
    await run(flags, jsonLog(lineWriter(process.stderr)));
    return 0;
  } catch (error) {
    return failure('serve', error);
  }
}

async function run(flags: Flags, log: Log): Promise<void> {
  // Whoever reads that it listens may end it at once.
  const ended = endSignal();
  const starting = start(flags, log);
  let read: Promise<unknown> = starting.catch(() => undefined);
  process.on('SIGHUP', () => {
    // One after the other, so that the last reading of a file is the one that counts.
    read = read.then(() => readAgain(starting, flags, log));
  });
  const daemon = await starting;
  process.stdout.write(`apnsd listening on ${daemon.url}\n`);
  await ended;
  await daemon.close();
}

/** The first one to end it; a second ends it at once. */
function endSignal(): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = () => {
      if (stopping) process.exit(1);
      stopping = true;
      resolve();
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
  });
}

async function start(flags: Flags, log: Log): Promise<Daemon> {
  return createDaemon({ ...(await readOptions(flags)), initial: await readInitial(flags), log });
}

/** What is wrong with a file, or with an entry, leaves the daemon as it is. */
async function readAgain(starting: Promise<Daemon>, flags: Flags, log: Log): Promise<void> {
  const daemon = await starting;
  if ((flags['secret-file'] ?? flags['tls-cert']) !== undefined) {
    await attempt(log, 'keys', async () => daemon.changeKeys(await readKeys(flags)));
  }
  if (flags.config === undefined) log('no config to read again');
  else await attempt(log, 'config', async () => daemon.provision(await readInitial(flags)));
}

async function attempt(log: Log, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    log(`${what} read again`);
  } catch (error) {
    log(`${what} refused`, { reason: (error as Error).message });
  }
}
