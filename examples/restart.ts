/**
 * The demo, `npm run demo`: an app sends the messages of messages.jsonl while its daemon is killed three times.
 * Simulator, daemon and app are processes of their own; this one starts them, kills, and counts.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { on, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { App } from 'apnsd';
import type { RecordedRequest } from 'apnsd/testing';
import type { Task } from './restart-app.js';
import { judge, type Push, type Report } from './restart-verdict.js';

/** At which receipts the daemon is killed, and how long it then stays down. */
const outages = new Map([
  [250, { downMs: 0 }],
  [500, { downMs: 300 }],
  [750, { downMs: 1000 }],
]);
const concurrency = 20;

const startedAt = Date.now();
const folder = mkdtempSync(join(tmpdir(), 'apnsd-demo-'));
const credentials = join(folder, 'credentials');
const record = join(folder, 'record.jsonl');
const children: ChildProcess[] = [];
leaveNothingBehind();

const simulator = await start(
  ...['simulate', '--listen', '127.0.0.1:0', '--credentials', credentials, '--record', record],
);
const [gateway] = /https:\S+/.exec(simulator.line) ?? [];
tell(`simulator: plays Apple at ${gateway}`);

const port = await freePort();
const host = `http://127.0.0.1:${port}/`;
let daemon = await startDaemon();
tell(`daemon: listens at ${host}, and knows no app yet`);

const pushes: Push[] = readLines<Omit<Push, 'token'>>(
  join(import.meta.dirname, 'messages.jsonl'),
).map((message) => ({ ...message, token: randomBytes(32).toString('hex') }));
// By certificate; its second entry has the same app by key.
const { initial }: { initial: App[] } = JSON.parse(
  readFileSync(join(credentials, 'config.json'), 'utf8'),
);
const app = fork(join(import.meta.dirname, 'restart-app.ts'));
children.push(app);
app.send({ host, initial: initial.slice(0, 1), pushes, concurrency } satisfies Task);
tell(`app: sends ${pushes.length} messages to as many devices, ${concurrency} at a time`);

const reports: Report[] = [];
let healing = false;
for await (const [report] of on(app, 'message', { close: ['disconnect'] })) {
  reports.push(report);
  if (healing && report.receipt?.attempts > 1) {
    healing = false;
    tell('healed: the app provisioned it and repeated what was under way');
  }
  const outage = outages.get(reports.length);
  if (!outage) continue;
  await kill(daemon);
  tell(`killed the daemon after ${reports.length} receipts`);
  await delay(outage.downMs);
  daemon = await startDaemon();
  tell('the daemon is back, and knows no app again');
  healing = true;
}
tell('the app is done\n');

const { rows, faults } = judge(pushes, reports, readLines<RecordedRequest>(record));
for (const { name, count, note = '' } of rows) {
  console.log(`${name.padEnd(22)}${String(count).padStart(6)}   ${note}`.trimEnd());
}
for (const fault of faults.slice(0, 20)) console.error(fault);
if (faults.length > 20) console.error(`and ${faults.length - 20} more`);
await Promise.all(children.map(kill));
process.exitCode = faults.length === 0 ? 0 : 1;

/** Runs a command of apnsd, and resolves with its first line: it listens then. */
async function start(...args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const command = join(import.meta.dirname, '../dist/cli/apnsd.js');
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  for await (const line of createInterface(child.stdout)) return { child, line };
  throw new Error(`apnsd ${args[0]} ended before it listened: ${log}`);
}

async function startDaemon(): Promise<ChildProcess> {
  const trust = ['--gateway', `sandbox=${gateway}`, '--ca', join(credentials, 'ca.pem')];
  const { child } = await start('serve', '--listen', `127.0.0.1:${port}`, ...trust);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Below those that the system gives away by itself: nobody takes it while the daemon is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const candidate = randomInt(20_000, 32_000);
    const server = createServer();
    try {
      await once(server.listen(candidate, '127.0.0.1'), 'listening');
    } catch {
      // Taken: another one, then.
      continue;
    }
    await new Promise((resolve) => server.close(resolve));
    return candidate;
  }
}

function readLines<T>(path: string): T[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

function tell(what: string): void {
  console.log(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${what}`);
}

/** Whatever ends this process, Ctrl-C too, ends the others and removes the folder. */
function leaveNothingBehind(): void {
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, maxRetries: 3 });
  });
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  process.once('SIGHUP', () => process.exit(129));
}
