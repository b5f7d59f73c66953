/** Servers of others, from Debian, each as a child process on 127.0.0.1 that is gone when disposed of. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { certificate } from '../../support/certificate.js';

export interface ServerChild {
  gateway: string;
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once, and waits until it is gone. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ServerSettings {
  /** Streams at once on a connection. */
  streams?: number;
  /** Requests after which nginx sends GOAWAY. */
  requestsPerConnection?: number;
}

interface Setup extends ServerSettings {
  port: number;
  folder: string;
}

/** What each server answers: 200 to anything, 410 with a body below /refuse (nghttpd: 404 to all). */
const gone = '{"reason":"Unregistered"}'.padEnd(300);

const commands = {
  nginx: ({ port, folder, streams = 1000, requestsPerConnection = 1e9 }: Setup) => {
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/log;
      events { worker_connections 256; }
      http {
        access_log off; client_max_body_size 8m; keepalive_timeout 3600;
        client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
        uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
        keepalive_requests ${requestsPerConnection}; http2_max_concurrent_streams ${streams};
        server {
          listen 127.0.0.1:${port} ssl http2;
          ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
          location / { add_header apns-id $http_apns_id; return 200; }
          location /echo { add_header apns-unique-id $http_apns_id; return 200; }
          location /refuse { return 410 '${gone}'; }
        }
      }`,
    );
    return ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'log')];
  },
  h2o: ({ port, folder, streams = 100 }: Setup) => {
    writeFileSync(
      join(folder, 'h2o.conf'),
      `
num-threads: 1
send-server-name: OFF
http2-max-concurrent-requests-per-connection: ${streams}
listen:
  host: 127.0.0.1
  port: ${port}
  ssl: { certificate-file: ${folder}/cert.pem, key-file: ${folder}/key.pem }
hosts:
  default:
    paths:
      "/":
        mruby.handler: |
          Proc.new {|env| [200, { 'apns-id' => env['HTTP_APNS_ID'].to_s }, []] }
      "/echo":
        mruby.handler: |
          Proc.new {|env| [200, { 'apns-unique-id' => env['HTTP_APNS_ID'].to_s }, []] }
      "/refuse":
        mruby.handler: |
          Proc.new {|env| [410, {}, ['${gone}']] }
`,
    );
    return ['-m', 'worker', '-c', join(folder, 'h2o.conf')];
  },
  nghttpd: ({ port, folder, streams = 100 }: Setup) => [
    ...['-a', '127.0.0.1', '-d', folder, '-m', `${streams}`, '--padding=9', `${port}`],
    ...[join(folder, 'key.pem'), join(folder, 'cert.pem')],
  ],
};

export type ServerName = keyof typeof commands;

/** True where the machine has the server's command. */
export function installed(name: ServerName): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** More than one process may be given the same port before it listens there. */
const maxStarts = 3;

export async function startServer(
  name: ServerName,
  settings: ServerSettings = {},
): Promise<ServerChild> {
  for (let starts = 1; starts <= maxStarts; starts += 1) {
    const server = await startOn(await freePort(), name, settings);
    if (server) return server;
  }
  assert.fail(`${name} did not start, on none of ${maxStarts} ports`);
}

/** Undefined where it ended instead. */
async function startOn(
  port: number,
  name: ServerName,
  settings: ServerSettings,
): Promise<ServerChild | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'apnsd-server-'));
  const { cert, key } = certificate();
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'key.pem'), key);
  const args = commands[name]({ ...settings, port, folder });
  const child = spawn(name, args, { stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit').then(() => {
    process.removeListener('exit', kill);
    rmSync(folder, { recursive: true });
  });
  await Promise.race([answering(port, child), exited]);
  if (child.exitCode !== null) return undefined;
  return {
    gateway: `https://127.0.0.1:${port}`,
    signal: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: () => {
      kill();
      return exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** There is no event to wait for: it takes the port when it is ready. */
async function answering(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect({ host: '127.0.0.1', port });
    const connected = await new Promise((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await delay(20);
  }
}
