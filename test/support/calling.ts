/** Calls a daemon as its clients do: over plain HTTP, and by npm xmlrpc. */
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { SecureContextOptions } from 'node:tls';
import xmlrpc from 'xmlrpc';
import type { SendAnswer, SendNotification } from '../../src/rpc/methods.js';

export interface HttpAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
}

export interface HttpOptions {
  method?: string;
  /** @default '/' */
  path?: string;
  headers?: OutgoingHttpHeaders;
  /** For an https:// url. */
  tls?: SecureContextOptions;
}

/** One HTTP request over a connection of its own. */
export function post(
  url: string,
  body: string | Buffer,
  { method = 'POST', path = '/', headers = { 'Content-Type': 'text/xml' }, tls }: HttpOptions = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { protocol, hostname, port, pathname } = new URL(url);
    const where = protocol === 'unix:' ? { socketPath: pathname } : { hostname, port };
    const request = protocol === 'https:' ? httpsRequest : httpRequest;
    const call = request({ ...where, ...tls, path, method, headers, agent: false }, (response) => {
      const { statusCode: status = 0, headers } = response;
      text(response).then((text) => resolve({ status, headers, text }), reject);
    });
    call.once('error', reject);
    call.end(body);
  });
}

/** @param params each as the XML of a value's type, such as `<int>1</int>` */
export function callXml(method: string, ...params: string[]): string {
  const all = params.map((param) => `<param><value>${param}</value></param>`).join('');
  return `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${all}</params></methodCall>`;
}

export function faultCodeOf({ text }: HttpAnswer): number | undefined {
  const [, code] = /<name>faultCode<\/name><value><int>(-?\d+)<\/int>/.exec(text) ?? [];
  return code === undefined ? undefined : Number(code);
}

/** Rejects with an error that has `faultCode` and `faultString` where the daemon answers a fault. */
export function call(url: string, method: string, ...params: unknown[]): Promise<unknown> {
  const { hostname, port } = new URL(url);
  // Of these parts the package makes no deprecated call.
  const client = xmlrpc.createClient({ host: hostname, port: Number(port), path: '/' });
  return new Promise((resolve, reject) => {
    client.methodCall(method, params, (error: unknown, value: unknown) =>
      error ? reject(error) : resolve(value),
    );
  });
}

export async function send(
  url: string,
  appId: string,
  notifications: (Partial<SendNotification> & { [name: string]: unknown })[],
  timeoutMs = 10_000,
): Promise<SendAnswer[]> {
  const request = JSON.stringify({ timeoutMs, notifications });
  return JSON.parse(String(await call(url, 'apnsd.send', appId, request)));
}

/** As {@link send}; asks again for what is pending, as a client does. */
export async function sendAndWait(...request: Parameters<typeof send>): Promise<SendAnswer[]> {
  for (;;) {
    const answers = await send(...request);
    if (!answers.some(({ status }) => status === 'pending')) return answers;
  }
}

/** A socket for requests written by hand. */
export function socketTo(url: string): Socket {
  const { protocol, hostname, port, pathname } = new URL(url);
  return protocol === 'unix:' ? connect(pathname) : connect(Number(port), hostname);
}
