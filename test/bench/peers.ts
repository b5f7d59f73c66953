/** Other packages, each with token credentials and at its best. */
import { sign } from 'node:crypto';
import { connect } from 'node:http2';
import { createRequire } from 'node:module';
import type { Payload } from '../../src/notification/notification.js';
import type { BenchSender, Target } from './bench-sender.js';

/** What one does with Node alone: one session, one stream for each notification. */
export async function startLoop({ gateway, ca, topic, ...key }: Target): Promise<BenchSender> {
  const authorization = providerToken(key);
  const session = connect(gateway, { ca });
  await new Promise((resolve) => session.once('remoteSettings', resolve));
  return {
    send: (token, id, payload) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': `/3/device/${token}`,
          authorization,
          'apns-push-type': 'alert',
          'apns-topic': topic,
          'apns-priority': '10',
          'apns-id': id,
        });
        let status = 0;
        stream.on('response', (headers) => {
          status = Number(headers[':status']);
        });
        stream.on('error', reject);
        stream.on('data', () => {});
        stream.on('end', () => resolve(status));
        stream.end(JSON.stringify(payload));
      }),
  };
}

export async function startNodeApn({ gateway, ca, topic, ...key }: Target): Promise<BenchSender> {
  const { default: apn } = await import('@parse/node-apn');
  const { hostname: address, port } = new URL(gateway);
  const provider = new apn.Provider({ token: key, address, port: Number(port), ca: [ca] });
  const write = (payload: Payload) => {
    const notification = new apn.Notification({ topic, pushType: 'alert', priority: 10 });
    notification.rawPayload = payload;
    return notification;
  };
  return {
    async send(token, id, payload) {
      const notification = write(payload);
      notification.id = id;
      const { sent, failed } = await provider.send(notification, token);
      const [failure] = failed;
      if (failure?.error) throw failure.error;
      return sent.length === 1 ? 200 : Number(failure?.status);
    },
    sendMany: inLists(async (list, payload) => {
      const { sent } = await provider.send(write(payload), list);
      return sent.length;
    }),
  };
}

export async function startApns2({ gateway, ca, topic, ...key }: Target): Promise<BenchSender> {
  const { ApnsClient, Notification } = await import('apns2');
  const { key: signingKey, keyId, teamId: team } = key;
  const client = new ApnsClient({ team, keyId, signingKey, defaultTopic: topic });
  // It knows no port and no authority of one's own: the same pool, but for where it leads.
  const { Pool } = createRequire(import.meta.resolve('apns2'))('undici');
  const pool = { connections: 32, pipelining: 1, allowH2: true, maxConcurrentStreams: 100 };
  Object.assign(client, { client: new Pool(gateway, { ...pool, connect: { ca } }) });
  return {
    async send(token, id, payload) {
      await client.send(new Notification(token, { data: payload, id } as object));
      return 200;
    },
    sendMany: inLists(async (list, payload) => {
      const each = list.map((token) => new Notification(token, { data: payload } as object));
      const answers = await client.sendMany(each);
      return answers.filter((answer) => !('error' in answer)).length;
    }),
  };
}

/** Longer lists than a connection has streams cost them more, and node-apn loses a part: Node's session runs out of memory. */
const listLength = 1000;

function inLists(send: (list: string[], payload: Payload) => Promise<number>) {
  return async (tokens: Iterable<string>, payload: Payload) => {
    const all = [...tokens];
    let accepted = 0;
    for (let start = 0; start < all.length; start += listLength) {
      accepted += await send(all.slice(start, start + listLength), payload);
    }
    return accepted;
  };
}

function providerToken({ key, keyId, teamId }: Pick<Target, 'key' | 'keyId' | 'teamId'>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: 'ES256', kid: keyId })}.${part({ iss: teamId, iat })}`;
  const options = { key, dsaEncoding: 'ieee-p1363' } as const;
  return `bearer ${text}.${sign('sha256', Buffer.from(text), options).toString('base64url')}`;
}
