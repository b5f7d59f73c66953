/** The policy that apnsd's client replaces: on UnknownAppID provision again, four attempts, 500 ms apart, and nothing else. */
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import xmlrpc from 'xmlrpc';

const attempts = 4;
const pauseMs = 500;
const unknownAppId = 404;
/** As many as apnsd's client has at the daemon at once. */
const maxAtOnce = 32;

export interface OldWrapperOptions {
  port: number;
  appId: string;
  cert: string;
  /** How long the daemon waits for Apple. */
  timeoutSeconds: number;
}

export class OldWrapper {
  readonly #options: OldWrapperOptions;
  readonly #client: xmlrpc.Client;

  constructor(options: OldWrapperOptions) {
    this.#options = options;
    const agent = new Agent({ keepAlive: true, maxSockets: maxAtOnce });
    // The package passes `agent` on, though its types don't know it.
    const target = { host: '127.0.0.1', port: options.port, path: '/', agent };
    this.#client = xmlrpc.createClient(target);
  }

  async provision(cert = this.#options.cert): Promise<void> {
    this.#options.cert = cert;
    const { appId, timeoutSeconds } = this.#options;
    await this.#call('provision', appId, cert, 'sandbox', timeoutSeconds);
  }

  async notify(token: string, payload: object): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#call('notify', this.#options.appId, token, payload);
        return;
      } catch (error) {
        const { faultCode } = error as { faultCode?: number };
        if (faultCode !== unknownAppId || attempt === attempts) throw error;
      }
      await this.provision();
      await delay(pauseMs);
    }
  }

  #call(method: string, ...params: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#client.methodCall(method, params, (error: unknown, value: unknown) =>
        error ? reject(error) : resolve(value),
      );
    });
  }
}
