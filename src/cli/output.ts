/** What a command prints: whether somebody reads it or not, the command goes on, stays small and ends. */
import type { Writable } from 'node:stream';

/** Of lines that wait for their reader; what comes then is dropped. */
const maxWaitingBytes = 1 << 20;
/** How long the end waits for readers. */
const flushMs = 1000;

const outputs = [process.stdout, process.stderr];

/** Whoever read the output is gone, or its disk is full: no reason to stop the work. */
export function surviveLostReaders(): void {
  for (const output of outputs) output.on('error', () => undefined);
}

/**
 * Writes lines of JSON. A pipe whose reader has stopped takes 64 KiB; Node keeps the rest in memory, without a bound.
 * How many lines were dropped is said once there is room again.
 */
export function lineWriter(output: Writable, maxWaiting = maxWaitingBytes): (line: string) => void {
  let dropped = 0;
  return (line) => {
    if (output.writableLength > maxWaiting) {
      dropped += 1;
      return;
    }
    if (dropped > 0) {
      const time = new Date().toISOString();
      output.write(`${JSON.stringify({ time, event: 'lines dropped', lines: dropped })}\n`);
      dropped = 0;
    }
    output.write(line);
  };
}

/** Lets the process end by itself, unless only lines that nobody reads keep it. */
export function endWith(code: number): void {
  process.exitCode = code;
  const end = () => {
    if (outputs.some(({ writableLength }) => writableLength > 0)) process.exit();
  };
  setTimeout(end, flushMs).unref();
}
