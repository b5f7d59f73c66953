/** What all parts are measured on: a sink in Apple's place, in a process of its own, and daemons that lead to it. */
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installed, startServer } from '../apns/http2/servers.js';
import { certificate } from '../support/certificate.js';
import { Child } from '../support/child.js';
import { makeFolder } from '../support/leftovers.js';
import { Probed } from './probed.js';
import type { SinkFunctions } from './sink.js';

export interface Sink {
  name: string;
  gateway: string;
  ca: string;
}

/** The key that all senders sign with: nobody checks it here. */
export const providerKey = {
  key: generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
  keyId: 'ABCDE12345',
  teamId: 'FGHIJ67890',
};

const daemon = join(import.meta.dirname, '../../dist/cli/apnsd.js');

export async function startSink(): Promise<Sink & AsyncDisposable> {
  if (installed('nginx')) {
    const server = await startServer('nginx');
    const { stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
    const [name = 'nginx'] = /nginx\/\S+/.exec(stderr) ?? [];
    return {
      name,
      gateway: server.gateway,
      ca: certificate().cert,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
  const child = new Child<SinkFunctions>(join(import.meta.dirname, 'sink.ts'));
  return {
    name: 'node:http2',
    ...(await child.call('listen')),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

export interface BenchDaemon extends AsyncDisposable {
  host: string;
  process: Probed;
}

/** The built command, with so many apps, named by {@link appName}. */
export async function startDaemon({ gateway, ca }: Sink, apps: number): Promise<BenchDaemon> {
  const folder = makeFolder();
  const caFile = join(folder, 'ca.pem');
  const configFile = join(folder, 'config.json');
  const initial = Array.from({ length: apps }, (_, index) => {
    const appId = appName(index);
    return { appId, topic: appId, environment: 'production', ...providerKey };
  });
  await writeFile(caFile, ca);
  await writeFile(configFile, JSON.stringify({ initial }));
  const leading = ['--gateway', `production=${gateway}`, '--ca', caFile, '--config', configFile];
  const process = await Probed.start(daemon, 'serve', '--listen', '127.0.0.1:0', ...leading);
  const [host] = /http:\S+/.exec(process.said) ?? [];
  if (host === undefined) throw new Error(`the daemon said ${process.said}`);
  return { host, process, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

export function appName(index: number): string {
  return `com.example.app${index}`;
}
