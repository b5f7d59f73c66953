/** One run: an app under load, its daemon, Apple, and all that the plan has go wrong between them. */
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../support/child.js';
import { clearAway, makeFolder } from '../support/leftovers.js';
import { Daemon } from './daemon.js';
import type { Evidence } from './ledger.js';
import type { LoadFunctions, Policy } from './load.js';
import { TcpProxy } from './proxy.js';
import { type Plan, schedule, type Trouble } from './schedule.js';
import type { SimulatorFunctions } from './simulator.js';
import { Stage } from './stage.js';

export interface RunOptions extends Plan {
  policy: Policy;
  /** Notifications a second. */
  rate: number;
  /** Told what happens. */
  say: (what: string) => void;
}

/** Shorter than a silence may be, so that the app gives up attempts whose request has left; longer than the daemon is stopped. */
const timeoutMs = 4000;
/** Between two troubles of a track, late as it may be: there must be something for the second one to hit. */
const breathMs = 250;

export async function run({ policy, rate, say, ...plan }: RunOptions): Promise<Evidence> {
  const folder = makeFolder();
  const record = join(folder, 'record.jsonl');
  const caFile = join(folder, 'ca.pem');
  const simulator = new Child<SimulatorFunctions>(join(import.meta.dirname, 'simulator.ts'));
  const { url, ca, certificate, topic } = await simulator.call('start', record);
  await writeFile(caFile, ca);
  const daemon = new Daemon('--gateway', `sandbox=${url}`, '--ca', caFile);
  const proxy = await TcpProxy.listen();
  const daemonPort = await daemon.start();
  await proxy.lead(daemonPort);
  say(
    `Apple at ${url}, the daemon at 127.0.0.1:${daemonPort}, the proxy at 127.0.0.1:${proxy.port}`,
  );
  const load = new Child<LoadFunctions>(join(import.meta.dirname, 'load.ts'));
  const stage = new Stage({ simulator, daemon, proxy, load });

  const { port } = proxy;
  const app = { appId: topic, cert: certificate };
  await load.call('start', { policy, port, ...app, timeoutMs, rate, seconds: plan.seconds });
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const tell = (what: string) => say(`${(elapsed() / 1000).toFixed(1).padStart(6)} s  ${what}`);
  const tracks = schedule(plan).map(async (troubles) => {
    for (const trouble of troubles) {
      await delay(Math.max(breathMs, trouble.atMs - elapsed()));
      tell(nameOf(trouble));
      await stage.play(trouble);
    }
  });
  const [{ sent, outcomes }] = await Promise.all([load.call('finished'), ...tracks]);
  tell('the app has waited for all');

  const history = { ...stage.history, hangUps: await simulator.call('hangUps'), timeoutMs };
  const evidence = { sent, outcomes, record: await readLines(record), history };
  await proxy.close();
  await daemon.end('SIGKILL');
  await clearAway();
  return evidence;
}

function nameOf({ kind, forMs, times, when }: Trouble): string {
  switch (kind) {
    case 'kill':
    case 'terminate':
    case 'stop':
    case 'close':
    case 'silence':
      return `${kind}, for ${forMs} ms`;
    case 'reset':
    case 'stall':
      return `${kind} of ${times} requests, ${when} they are recorded`;
    case 'goAway':
      return `${kind}, ${when === 'before' ? 'without' : 'with'} what has come unrecorded`;
    case 'refuse':
      return `${kind} ${times} requests with 503`;
    case 'hangUp':
    case 'certificate':
      return kind;
  }
}

/** Line by line: the whole is larger than a string may be after a long run. */
async function readLines(path: string) {
  const lines: Evidence['record'] = [];
  for await (const line of createInterface(createReadStream(path))) lines.push(JSON.parse(line));
  return lines;
}
