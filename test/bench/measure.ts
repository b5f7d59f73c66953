/** Measures one load in processes of its own: with a sender in the app's process, or with the client and a daemon. */
import { join } from 'node:path';
import { Child } from '../support/child.js';
import type { Target } from './bench-sender.js';
import type { LoadFunctions } from './load.js';
import type { Figures } from './part.js';
import type { SenderName } from './senders.js';
import { appName, providerKey, type Sink, startDaemon } from './stage.js';

export interface Load {
  count: number;
  /** Single calls, so many at once; without it, one call for all. */
  atOnce?: number;
}

export async function measureSender(sink: Sink, name: SenderName, load: Load): Promise<Figures> {
  await using app = await startApp(sink, name);
  await warmUp(app, load);
  return await run(app, load);
}

export async function measureClient(sink: Sink, load: Load, apps = 1): Promise<Figures> {
  await using daemon = await startDaemon(sink, apps);
  await using app = await startClient(sink, daemon.host, apps);
  await warmUp(app, load);
  const before = await daemon.process.used();
  const figures = await run(app, load);
  const after = await daemon.process.used();
  const daemonCpuMs = ((after.cpuMs - before.cpuMs) / load.count) * 1000;
  const cpuMs = (figures.cpuMs ?? Number.NaN) + daemonCpuMs;
  return { ...figures, cpuMs, daemonCpuMs, daemonRssMiB: after.peakRssMiB };
}

export function startClient(sink: Sink, host: string, apps = 1): Promise<Child<LoadFunctions>> {
  const names = Array.from({ length: apps }, (_, index) => appName(index));
  return startApp(sink, 'apnsd client', { host, apps: names });
}

async function startApp(
  { gateway, ca }: Sink,
  name: SenderName,
  way: Pick<Target, 'host' | 'apps'> = {},
): Promise<Child<LoadFunctions>> {
  const app = new Child<LoadFunctions>(join(import.meta.dirname, 'load.ts'));
  await app.call('start', name, { gateway, ca, topic: appName(0), ...providerKey, ...way });
  return app;
}

function warmUp(app: Child<LoadFunctions>, { count, atOnce }: Load): Promise<unknown> {
  return atOnce === undefined
    ? app.call('warmUpMany', count)
    : app.call('warmUpSingle', count, atOnce);
}

function run(app: Child<LoadFunctions>, { count, atOnce }: Load): Promise<Figures> {
  return atOnce === undefined ? app.call('many', count) : app.call('single', count, atOnce);
}
