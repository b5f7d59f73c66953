/** The senders that are compared: each sends one notification as its users would, with token credentials but for one. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { connect } from 'node:http2';
import { createRequire } from 'node:module';
import type { CredentialsSource } from '../../dist/apns/credentials.js';
import { Draft } from '../../dist/apns/draft.js';
import { createPool } from '../../dist/apns/pool.js';
import { ProviderTokens } from '../../dist/apns/provider-token.js';
import { Apps } from '../../dist/daemon/apps.js';
import { checkNotification } from '../../dist/notification/check.js';
import { certificate } from '../apns/certificate.js';

export interface BenchSender {
  /** Rejects, or resolves with another status than 200, where it failed. */
  send(token: string, id: string, payload: object): Promise<number>;
  close(): Promise<void>;
}

interface Target {
  gateway: string;
  ca: string;
}

const topic = 'com.example.app';
const keyId = 'ABCDE12345';
const teamId = 'FGHIJ67890';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export const senders: Record<string, (target: Target) => Promise<BenchSender>> = {
  apnsd: (target) => startOwn(target, { environment: 'production', key, keyId, teamId, topic }),

  'apnsd, certificate': (target) => {
    const { cert, key } = certificate();
    return startOwn(target, { environment: 'production', cert: cert + key, topic });
  },

  'node:http2': async ({ gateway, ca }) => {
    const authorization = providerToken();
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
      close: () => new Promise((resolve) => session.close(resolve)),
    };
  },

  'node-apn': async ({ gateway, ca }) => {
    const { default: apn } = await import('@parse/node-apn');
    const { hostname, port } = new URL(gateway);
    const options = {
      token: { key, keyId, teamId },
      address: hostname,
      port: Number(port),
      ca: [ca],
    };
    const provider = new apn.Provider(options);
    return {
      send: async (token, id, payload) => {
        const notification = new apn.Notification({ topic, pushType: 'alert', priority: 10 });
        notification.id = id;
        notification.rawPayload = payload;
        const { sent, failed } = await provider.send(notification, token);
        const [failure] = failed;
        if (failure?.error) throw failure.error;
        return sent.length === 1 ? 200 : Number(failure?.status);
      },
      close: async () => {
        await provider.shutdown();
      },
    };
  },

  apns2: async ({ gateway, ca }) => {
    const { ApnsClient, Notification } = await import('apns2');
    const client = new ApnsClient({ team: teamId, keyId, signingKey: key, defaultTopic: topic });
    // It knows no port and no authority of one's own: the same pool, but for where it leads.
    const { Pool } = createRequire(import.meta.resolve('apns2'))('undici');
    const pool = { connections: 32, pipelining: 1, allowH2: true, maxConcurrentStreams: 100 };
    Object.assign(client, { client: new Pool(gateway, { ...pool, connect: { ca } }) });
    return {
      send: async (token, id, payload) => {
        await client.send(new Notification(token, { data: payload, id } as object));
        return 200;
      },
      close: () => client.close(),
    };
  },
};

/** The daemon's whole way but XML-RPC: credentials, checks, headers, repeats, verdict. */
async function startOwn({ gateway, ca }: Target, source: CredentialsSource): Promise<BenchSender> {
  const gateways = { sandbox: gateway, production: gateway };
  const tokens = new ProviderTokens();
  const apps = new Apps({
    gateways,
    ca: { sandbox: [ca], production: [ca] },
    tokens,
    createSender: createPool,
    log: () => {},
  });
  await apps.provision({ appId: 'bench', ...source });
  const app = apps.get('bench');
  return {
    send: async (token, id, payload) => {
      const draft = new Draft(checkNotification({ payload, priority: 10 }));
      const verdict = await app.send(token, id, draft, { deadline: Date.now() + 30_000 });
      if (verdict.kind === 'failed') throw verdict.error;
      return verdict.kind === 'accepted' ? 200 : verdict.httpStatus;
    },
    close: () => apps.close(),
  };
}

function providerToken(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: 'ES256', kid: keyId })}.${part({ iss: teamId, iat })}`;
  const options = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return `bearer ${text}.${sign('sha256', Buffer.from(text), options).toString('base64url')}`;
}
