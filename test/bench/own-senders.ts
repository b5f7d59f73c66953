/** Ours: what the daemon sends with, alone, and the client with a daemon. */
import type { CredentialsSource } from '../../dist/apns/credentials/credentials.js';
import { ProviderTokens } from '../../dist/apns/credentials/provider-token.js';
import { createPool } from '../../dist/apns/http2/pool.js';
import { RequestTemplate } from '../../dist/apns/request.js';
import type { Verdict } from '../../dist/apns/verdict.js';
import { Apps } from '../../dist/daemon/apps/apps.js';
import { checkNotification } from '../../dist/notification/check.js';
import { certificate } from '../support/certificate.js';
import type { BenchSender, Target } from './bench-sender.js';

/** The daemon's whole way but XML-RPC: credentials, checks, headers, repeats, verdict. */
export async function startOwn(target: Target & { certificate: boolean }): Promise<BenchSender> {
  const { gateway, ca, topic, key, keyId, teamId } = target;
  const apps = new Apps({
    gateways: { sandbox: gateway, production: gateway },
    ca: { sandbox: [ca], production: [ca] },
    tokens: new ProviderTokens(),
    createSender: createPool,
    log: () => {},
  });
  const { cert, key: certKey } = certificate();
  const source: CredentialsSource = target.certificate
    ? { environment: 'production', topic, cert: cert + certKey }
    : { environment: 'production', topic, key, keyId, teamId };
  await apps.provision({ appId: 'bench', ...source });
  const app = apps.get('bench');
  return {
    async send(token, id, payload) {
      const draft = new RequestTemplate(checkNotification({ payload, priority: 10 }));
      const options = { deadline: performance.now() + 30_000 };
      const verdict = await new Promise<Verdict>((answered, broke) =>
        app.send(token, id, draft, options, { answered, broke }),
      );
      if (verdict.kind === 'failed') throw verdict.error;
      return verdict.kind === 'accepted' ? 200 : verdict.httpStatus;
    },
  };
}

/** As an app uses it: the daemon's `--config` has the apps. */
export async function startClient({ host, apps = [] }: Target): Promise<BenchSender> {
  const { createClient } = await import('apnsd');
  const client = createClient({ ...(host !== undefined && { host }) });
  let calls = 0;
  const nextApp = () => ({ appId: apps[calls++ % apps.length] ?? '' });
  return {
    // Without the id: the daemon would know it from before, and not send.
    async send(token, _id, payload) {
      const receipt = await client.notify(token, { payload }, nextApp());
      return receipt.status === 'accepted' ? 200 : 500;
    },
    async sendMany(tokens, payload) {
      let accepted = 0;
      for await (const { status } of client.notifyMany(tokens, { payload }, nextApp())) {
        if (status === 'accepted') accepted += 1;
      }
      return accepted;
    },
  };
}
