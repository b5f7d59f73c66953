#!/usr/bin/env node
/** The command `apnsd`: picks the command to run. */
import { version } from '../daemon/version.js';
import { endWith, surviveLostReaders } from './output.js';
import { serve } from './serve.js';
import { simulate } from './simulate.js';

const help = `apnsd: push notifications to Apple devices

Usage:
  apnsd serve [options]      the daemon: XML-RPC in, Apple's HTTP/2 API out
  apnsd simulate [options]   an APNs simulator to try it against
  apnsd --version

'apnsd COMMAND --help' lists a command's options.
`;

const commands: Record<string, (argv: string[]) => Promise<number>> = { serve, simulate };

async function main([name, ...rest]: string[]): Promise<number> {
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command(rest);
  if (name === '--version') {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h') {
    process.stdout.write(help);
    return 0;
  }
  const wrong = name === undefined ? 'a command is missing' : `there is no command ${name}`;
  process.stderr.write(`apnsd: ${wrong}, expected serve or simulate; see apnsd --help\n`);
  return 2;
}

surviveLostReaders();
main(process.argv.slice(2)).then(endWith);
