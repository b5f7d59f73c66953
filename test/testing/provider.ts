/** A provider in plain node:http2, with nothing of ours in it. */
import { createPrivateKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type SecureClientSessionOptions } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ProviderKey, Simulator } from '../../src/testing/index.js';

export const deviceToken = 'ab'.repeat(32);
export const payload = { aps: { alert: 'Your table is ready' } };

export interface Push {
  method?: string;
  path?: string;
  token?: string;
  /** An array sends the header once for each member. */
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
}

export interface Reply {
  status: number;
  headers: Record<string, unknown>;
  body: string;
  /** From the body. */
  reason?: string;
  timestamp?: number;
}

export class Provider implements AsyncDisposable {
  readonly session: ClientHttp2Session;
  /** Sent with each push. */
  readonly #headers: Record<string, string>;

  constructor(session: ClientHttp2Session, headers: Record<string, string>) {
    this.session = session;
    this.#headers = headers;
  }

  get maxConcurrentStreams(): number | undefined {
    return this.session.remoteSettings.maxConcurrentStreams;
  }

  /** Rejects where no answer comes; the error's `rstCode` tells how the stream ended. */
  push({ method = 'POST', token = deviceToken, path, headers, body }: Push = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request(
        {
          ':method': method,
          ':path': path ?? `/3/device/${token}`,
          ...this.#headers,
          ...headers,
        },
        { endStream: false },
      );
      let answer: Reply | undefined;
      stream.on('response', ({ ':status': status, ...rest }) => {
        answer = { status: status ?? 0, headers: rest, body: '' };
      });
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        if (answer) answer.body += text;
      });
      // Told by rstCode, which says more.
      stream.on('error', () => {});
      stream.on('close', () => {
        if (answer && stream.rstCode === 0) {
          resolve({ ...answer, ...(answer.body.startsWith('{') && JSON.parse(answer.body)) });
        } else reject(Object.assign(new Error('no answer'), { rstCode: stream.rstCode }));
      });
      stream.end(body ?? JSON.stringify(payload));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    const closed = once(this.session, 'close');
    this.session.destroy();
    await closed;
  }
}

/** With the simulator's certificate, or another one. */
export function withCertificate(
  simulator: Simulator,
  certificate = simulator.certificate,
  headers: Record<string, string> = { 'apns-push-type': 'alert' },
): Promise<Provider> {
  return open(simulator, headers, { cert: certificate, key: certificate });
}

/** With a provider token of the simulator's key, or another `authorization`, over a connection of its own or one made before. */
export function withToken(
  simulator: Simulator,
  authorization = bearer(simulator.key),
  topic = simulator.key.topic,
  socket?: TLSSocket,
): Promise<Provider> {
  const headers = { 'apns-push-type': 'alert', 'apns-topic': topic, authorization };
  return open(simulator, headers, socket ? { createConnection: () => socket } : {});
}

async function open(
  { url, ca }: Simulator,
  headers: Record<string, string>,
  options: SecureClientSessionOptions,
): Promise<Provider> {
  const session = connect(url, { ca, ...options });
  session.on('error', () => {});
  await new Promise((resolve, reject) => {
    session.once('remoteSettings', resolve);
    session.once('close', () => reject(new Error('the connection closed before SETTINGS came')));
  });
  return new Provider(session, headers);
}

/** The `authorization` header's value, right but for what is changed. */
export function bearer(
  { key, keyId, teamId }: ProviderKey,
  changed: {
    iat?: unknown;
    header?: object;
    claims?: object;
    dsaEncoding?: 'ieee-p1363' | 'der';
  } = {},
): string {
  const { iat = Math.floor(Date.now() / 1000), dsaEncoding = 'ieee-p1363' } = changed;
  const header = encode({ alg: 'ES256', kid: keyId, ...changed.header });
  const claims = encode({ iss: teamId, iat, ...changed.claims });
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), {
    key: createPrivateKey(key),
    dsaEncoding,
  });
  return `bearer ${header}.${claims}.${signature.toString('base64url')}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
