/** How long one notification waits while one process sends to very many. */
import { startClient } from './measure.js';
import { type Figures, own, type Part } from './part.js';
import { type Sink, startDaemon } from './stage.js';

export function latencyPart(sink: Sink, scale: number): Part {
  const count = Math.ceil(300 * scale);
  return {
    cases: [
      {
        what: 'notify beside notifyMany of the same client',
        who: own,
        measure: () => measureBeside(sink, count, true),
      },
      {
        what: "notify beside another process's notifyMany",
        who: own,
        measure: () => measureBeside(sink, count, false),
      },
    ],
    goals: () => [],
  };
}

async function measureBeside(sink: Sink, count: number, sameClient: boolean): Promise<Figures> {
  await using daemon = await startDaemon(sink, 1);
  await using bulk = await startClient(sink, daemon.host);
  await using other = sameClient ? undefined : await startClient(sink, daemon.host);
  const app = other ?? bulk;
  await app.call('warmUpSingle', count, 1);
  await bulk.call('keepBusy');
  const { p50Ms = Number.NaN, p99Ms = Number.NaN } = await app.call('single', count, 1);
  return { p50Ms, p99Ms };
}
