/** Callers in pyapns's way that share nothing: each has a connection and one `notify` on it at a time. As cheap as can be, so that the daemon is what is measured. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { serializeMethodCall } from '../rpc/npm-xmlrpc.js';
import { serve } from '../support/child.js';

let callers: Caller[];

const functions = {
  async open(host: string, appId: string, atOnce: number): Promise<void> {
    callers = await Promise.all(
      Array.from({ length: atOnce }, async () => new Caller(await open(host), host, appId)),
    );
  },

  /** Resolves with the calls per second. */
  async call(count: number): Promise<number> {
    let left = count;
    const startedAt = performance.now();
    await Promise.all(callers.map((caller) => caller.call(() => left-- > 0)));
    return count / ((performance.now() - startedAt) / 1000);
  },
};

export type CallsFunctions = typeof functions;

serve(functions);

class Caller {
  readonly #socket: Socket;
  readonly #requests: Buffer[];
  /** All answers are alike: nil. */
  #answerBytes = 0;

  constructor(socket: Socket, host: string, appId: string) {
    this.#socket = socket;
    this.#requests = Array.from({ length: 100 }, () => requestOf(host, appId));
  }

  /** Calls as long as there is more. */
  call(more: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let number = 0;
      let bytes = 0;
      const next = () => {
        if (more()) this.#socket.write(this.#requests[number++ % this.#requests.length] ?? '');
        else finish(resolve);
      };
      const onAnswer = (piece: Buffer) => {
        bytes += piece.length;
        if (this.#answerBytes === 0) this.#answerBytes = lengthOf(piece);
        if (bytes < this.#answerBytes) return;
        if (bytes > this.#answerBytes) return fail(new Error(`another answer: ${piece}`));
        bytes = 0;
        next();
      };
      const onEnd = () => fail(new Error('the daemon hung up'));
      const fail = (error: Error) => finish(() => reject(error));
      const finish = (settle: () => void) => {
        this.#socket.off('data', onAnswer).off('error', fail).off('end', onEnd);
        settle();
      };
      this.#socket.on('data', onAnswer).on('error', fail).on('end', onEnd);
      next();
    });
  }
}

async function open(host: string): Promise<Socket> {
  const { hostname, port } = new URL(host);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  return socket;
}

function requestOf(host: string, appId: string): Buffer {
  const token = randomBytes(32).toString('hex');
  const aps = { alert: { title: 'Bench', body: 'To one' }, badge: 1, sound: 'default' };
  const body = serializeMethodCall('notify', [appId, token, { aps }]);
  const head = [`POST / HTTP/1.1`, `Host: ${new URL(host).host}`, 'Content-Type: text/xml'];
  return Buffer.from(
    [...head, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n'),
  );
}

/** Of a whole answer without a fault, by its first piece. */
function lengthOf(piece: Buffer): number {
  const text = piece.toString();
  const head = text.indexOf('\r\n\r\n') + 4;
  const [, length] = /^content-length: (\d+)\r$/im.exec(text) ?? [];
  if (!text.startsWith('HTTP/1.1 200 ') || head < 4 || !length || text.includes('<fault>')) {
    throw new Error(`the daemon answered ${text}`);
  }
  return head + Number(length);
}
