/** How a command that failed ends. */
import { ConfigError } from '../errors.js';

/** Prints one line on stderr. @returns the exit code: 2 for wrong usage, 1 for any other failure */
export function failure(command: string, error: unknown): number {
  const { message, code = '' } = error as NodeJS.ErrnoException;
  process.stderr.write(`apnsd ${command}: ${message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  return error instanceof ConfigError || code.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}
