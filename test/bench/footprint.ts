/** What the client costs an app that hardly uses it. */
import { type Figures, median, own, type Part } from './part.js';
import { Probed } from './probed.js';
import { appName, type Sink, startDaemon } from './stage.js';

const importing = "import 'apnsd'";
const idle = 'an idle app';
const without = 'node';
/** An import is short, and what else the machine does counts much. */
const timesImported = 5;

export function footprintPart(sink: Sink, scale: number): Part {
  const times = Math.ceil(timesImported * scale);
  return {
    cases: [
      { what: importing, who: own, measure: () => measureImport(times) },
      { what: idle, who: own, measure: () => measureIdleClient(sink) },
      { what: idle, who: without, measure: () => measureIdle('') },
    ],
    goals: (found) => [
      { what: importing, found: found(importing).p50Ms, unit: 'ms', atMost: 30 },
      {
        what: 'what the client adds to an idle app',
        found: found(idle).rssMiB - found(idle, without).rssMiB,
        unit: 'MiB',
        atMost: 30,
      },
    ],
  };
}

async function measureImport(times: number): Promise<Figures> {
  const code = `
    const at = performance.now();
    await import('apnsd');
    console.log(performance.now() - at);`;
  const found: number[] = [];
  for (let number = 0; number < times; number += 1) {
    await using app = await Probed.start('--input-type=module', '--eval', code);
    found.push(Number(app.said));
  }
  return { p50Ms: median(found) };
}

/** It has notified once. */
async function measureIdleClient(sink: Sink): Promise<Figures> {
  await using daemon = await startDaemon(sink, 1);
  const options = JSON.stringify({ host: daemon.host, defaultAppId: appName(0) });
  return await measureIdle(`
    import { configure } from 'apnsd';
    await configure(${options}).notify('ab'.repeat(32), 'Your table is ready');`);
}

async function measureIdle(code: string): Promise<Figures> {
  const idling = "setInterval(() => {}, 1e6); console.log('idle');";
  await using app = await Probed.start('--input-type=module', '--eval', `${code};${idling}`);
  const { rssMiB } = await app.used();
  return { rssMiB };
}
