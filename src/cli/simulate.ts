/** `apnsd simulate`: the APNs simulator as a process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError } from '../errors.js';
import { openCredentialsFolder } from '../testing/credentials-folder.js';
import { createSimulator } from '../testing/simulator.js';
import { failure } from './failure.js';

export const simulateHelp = `Usage: apnsd simulate [options]

Plays Apple's push gateway (sandbox), until SIGTERM or SIGINT.

  --listen HOST:PORT   where to listen; port 0 takes a free one (127.0.0.1:2197)
  --credentials DIR    certificates, keys and config.json for apnsd serve; made there
                       if there are none (a temporary folder, removed at the end)
  --name NAME          a host name or IP address for its certificate, beside localhost and
                       Apple's; may be given more than once
  --cold-streams N     streams that a connection may open before its first valid provider
                       token (1, as Apple's)
  --record FILE        append a JSON line for each request
  --help               show this
`;

/** @returns the exit code: 0 after a clean end, 1 after a failure, 2 for wrong usage */
export async function simulate(argv: string[]): Promise<number> {
  const signal = awaitSignal();
  let temporary: string | undefined;
  try {
    const options = {
      listen: { type: 'string', default: '127.0.0.1:2197' },
      credentials: { type: 'string' },
      'cold-streams': { type: 'string', default: '1' },
      name: { type: 'string', multiple: true },
      record: { type: 'string' },
      help: { type: 'boolean' },
    } as const;
    const { values } = parseArgs({ args: argv, options });
    if (values.help) {
      process.stdout.write(simulateHelp);
      return 0;
    }
    if (values.credentials === undefined) temporary = await mkdtemp(join(tmpdir(), 'apnsd-'));
    const folder = await openCredentialsFolder(values.credentials ?? temporary ?? '');
    await using simulator = await createSimulator({
      listen: values.listen,
      credentials: folder.credentials,
      remember: false,
      log: (line) => process.stderr.write(`apnsd simulate: ${line}\n`),
      coldStreams: readCount('cold-streams', values['cold-streams']),
      ...(values.name !== undefined && { names: values.name }),
      ...(values.record !== undefined && { record: values.record }),
    });
    console.log(`apnsd simulator listening on ${simulator.url}`);
    const serve = [
      '--config',
      folder.config,
      '--gateway',
      `sandbox=${simulator.url}`,
      '--ca',
      folder.ca,
    ];
    console.log(`apnsd serve ${serve.map(quote).join(' ')}`);
    await signal.arrived;
    return 0;
  } catch (error) {
    return failure('simulate', error);
  } finally {
    signal.release();
    if (temporary !== undefined) await rm(temporary, { recursive: true });
  }
}

/** @throws ConfigError */
function readCount(flag: string, text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new ConfigError(`--${flag} is '${text}', expected a whole number from 1`);
  return count;
}

function awaitSignal(): { arrived: Promise<void>; release: () => void } {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  process.once('SIGTERM', arrive).once('SIGINT', arrive);
  const release = () => process.off('SIGTERM', arrive).off('SIGINT', arrive);
  return { arrived, release };
}

/** For a shell, where it has to be. */
function quote(word: string): string {
  return /^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
