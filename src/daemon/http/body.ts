/** Reads a request's body and writes its answer, or learns that there is nobody left to talk to. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const nowhere = new MessageChannel().port1;
nowhere.close();

/** Gives memory back at once: the garbage collector lets 64 MiB of bodies lie about before it looks. */
export function free({ buffer, length }: Buffer): void {
  const own = length === buffer.byteLength;
  if (own) nowhere.postMessage(null, [buffer as ArrayBuffer]);
}

/** The pieces themselves are gone afterwards. */
function join(pieces: Buffer[]): Buffer {
  const [first, second] = pieces;
  if (first && !second) return first;
  const whole = Buffer.concat(pieces);
  for (const piece of pieces) free(piece);
  return whole;
}

/**
 * The body; undefined where the caller hung up, or the signal cut it off. What is not wanted is read to its end all
 * the same, and thrown away: most callers listen to no answer before they have sent everything.
 * @param wants is told the length of each piece
 */
export async function readBody(
  request: IncomingMessage,
  wants: (bytes: number) => boolean,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    const finish = (body?: Buffer) => {
      signal.removeEventListener('abort', cut);
      resolve(body);
    };
    const cut = () => {
      request.destroy();
      finish();
    };
    signal.addEventListener('abort', cut, { once: true });
    request.on('data', (piece: Buffer) => {
      if (wants(piece.length)) {
        pieces.push(piece);
        return;
      }
      for (const unwanted of [...pieces.splice(0), piece]) free(unwanted);
    });
    request.once('end', () => finish(join(pieces)));
    request.once('error', cut);
    request.once('close', () => finish());
  });
}

/**
 * Resolves when the answer is in the system's hands, with true, or when there is nobody to take it. A caller that
 * takes nothing of it for so long is let go.
 * @param pieces one after the other: their memory is free again as soon as each is taken
 * @param taken is told how long it was
 */
export async function writeAnswer(
  response: ServerResponse,
  pieces: readonly (string | Buffer)[],
  timeoutMs: number,
  signal: AbortSignal,
  taken: (bytes: number) => void,
): Promise<boolean> {
  const { socket } = response.req;
  let written = 0;
  const freeRest = () => {
    for (const piece of pieces.slice(written)) if (typeof piece !== 'string') free(piece);
    written = pieces.length;
  };
  if (socket.destroyed) {
    freeRest();
    return false;
  }
  return new Promise((resolve) => {
    const finish = (whole: boolean) => {
      freeRest();
      signal.removeEventListener('abort', lost);
      socket.off('close', lost);
      response.setTimeout(0);
      resolve(whole);
    };
    const lost = () => finish(false);
    signal.addEventListener('abort', lost, { once: true });
    // As many as the caller has sent calls ahead of the answers.
    socket.setMaxListeners(0);
    socket.once('close', lost);
    response.setTimeout(timeoutMs);
    const writeNext = () => {
      const piece = pieces[written] ?? '';
      // From here on the system may read it: after an end in the middle it is left to the garbage collector.
      written += 1;
      response.write(piece, (error) => {
        // Node reports what it throws away with a socket as written.
        const gone = error || socket.destroyed || signal.aborted;
        if (gone || written === pieces.length) return finish(!gone);
        if (typeof piece !== 'string') {
          taken(piece.length);
          free(piece);
        }
        writeNext();
      });
    };
    writeNext();
  });
}
