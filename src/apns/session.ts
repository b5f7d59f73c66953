/** A plain sender: one node:http2 session at a time, dialled when it is needed and again when it ends. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { rootCertificates } from 'node:tls';
import { ApnsUnavailableError, ClosedError } from '../errors.js';
import type { ApnsRequest, Outcome, Sender, SenderOptions, SendOptions } from './sender.js';

/** A gateway that has not sent its SETTINGS by then will not. */
const dialTimeoutMs = 10_000;
const retryDelayMs = 100;

export function createSession(options: SenderOptions): Sender {
  let session: Promise<ClientHttp2Session> | undefined;
  let closed = false;
  let retryAt = 0;
  const underWay = new Set<Promise<Outcome>>();

  async function current(): Promise<ClientHttp2Session> {
    session ??= open();
    const live = await session;
    if (!live.closed && !live.destroyed) return live;
    session = undefined;
    return current();
  }

  async function open(): Promise<ClientHttp2Session> {
    try {
      const pause = retryAt - Date.now();
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      const opened = await dial(options);
      options.log?.('connected', { gateway: options.gateway });
      opened.once('close', () => options.log?.('disconnected', { gateway: options.gateway }));
      return opened;
    } catch (error) {
      session = undefined;
      retryAt = Date.now() + retryDelayMs;
      throw error;
    }
  }

  async function request(apnsRequest: ApnsRequest, sendOptions: SendOptions): Promise<Outcome> {
    if (closed) return { kind: 'unsent', cause: new ClosedError('the sender is closed') };
    let live: ClientHttp2Session;
    try {
      live = await inTime(current(), sendOptions);
      if (live.closed || live.destroyed) throw new Error('the session has just ended');
    } catch (error) {
      return { kind: 'unsent', cause: error as Error };
    }
    return exchange(live, apnsRequest, options.authorization?.(), sendOptions);
  }

  return {
    send(apnsRequest, sendOptions) {
      const outcome = request(apnsRequest, sendOptions);
      underWay.add(outcome);
      void outcome.then(() => underWay.delete(outcome));
      return outcome;
    },
    async ready(sendOptions) {
      await inTime(current(), sendOptions);
    },
    async close() {
      closed = true;
      await Promise.all(underWay);
      const live = await session?.catch(() => undefined);
      if (!live || live.destroyed) return;
      await new Promise<void>((resolve) => {
        live.once('close', resolve);
        live.destroy();
      });
    },
  };
}

/** Resolves at the peer's SETTINGS: nothing else proves that it took the client's certificate. */
function dial({ gateway, cert, key, ca }: SenderOptions): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(gateway, {
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ca: ca ? [...rootCertificates, ...ca] : [...rootCertificates],
    });
    const fail = (reason: string, cause?: Error) => {
      clearTimeout(timer);
      reject(new ApnsUnavailableError(`${gateway} ${reason}`, { cause }));
      session.destroy();
    };
    const timer = setTimeout(() => fail('sent no SETTINGS in time'), dialTimeoutMs);
    session.on('error', (error) => fail(`can't be reached: ${error.message}`, error));
    session.once('close', () =>
      fail('hung up before SETTINGS: it may have refused the certificate'),
    );
    session.once('remoteSettings', () => {
      clearTimeout(timer);
      resolve(session);
    });
  });
}

function exchange(
  session: ClientHttp2Session,
  { method, path, headers, body }: ApnsRequest,
  authorization: string | undefined,
  { deadline, signal }: SendOptions,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let stream: ClientHttp2Stream;
    try {
      stream = session.request({
        ':method': method,
        ':path': path,
        ...(authorization !== undefined && { authorization }),
        ...Object.fromEntries(headers),
      });
    } catch (error) {
      resolve({ kind: 'unsent', cause: error as Error });
      return;
    }
    let status: number | undefined;
    let received: IncomingHttpHeaders = {};
    let text = '';
    let failure: Error | undefined;

    const cancel = (reason: string) => {
      failure = new Error(reason);
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const timer = setTimeout(() => cancel('no answer in time'), Math.max(0, deadline - Date.now()));
    const onAbort = () => cancel('cancelled');
    signal?.addEventListener('abort', onAbort, { once: true });

    stream.setEncoding('utf8');
    stream.on('response', ({ ':status': code, ...rest }) => {
      status = code;
      received = rest;
    });
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('error', (error) => {
      failure ??= error;
    });
    stream.once('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      if (status !== undefined && stream.rstCode === constants.NGHTTP2_NO_ERROR && !failure) {
        const plain = Object.entries(received).map(([name, value]) => [name, String(value)]);
        resolve({ kind: 'response', status, headers: Object.fromEntries(plain), body: text });
        return;
      }
      const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      const cause = failure ?? new Error('the connection ended before the answer');
      resolve({ kind: refused ? 'unsent' : 'unknown', cause });
    });
    stream.end(body);
  });
}

function inTime<T>(promise: Promise<T>, { deadline, signal }: SendOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new ApnsUnavailableError(reason));
    const timer = setTimeout(
      () => fail('no connection to APNs in time'),
      Math.max(0, deadline - Date.now()),
    );
    const onAbort = () => fail('cancelled');
    signal?.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    });
  });
}
