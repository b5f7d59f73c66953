/** The demo's app: it configures once and sends, and has no word about restarts in it. `restart.ts` starts it. */
import { type App, configure, notify } from 'apnsd';
import type { Push, Report } from './restart-verdict.js';

export interface Task {
  host: string;
  initial: App[];
  pushes: Push[];
  /** How many it waits for at once. */
  concurrency: number;
}

process.once('message', async ({ host, initial, pushes, concurrency }: Task) => {
  configure({ host, initial });
  // All workers take from the same iterator, and so each push is taken once.
  const queue = pushes.values();
  const worker = async () => {
    for (const push of queue) report(await send(push));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  // Nothing else holds the process: an idle client doesn't.
  process.disconnect();
});

async function send({ token, message, badge, sound }: Push): Promise<Report> {
  try {
    return { token, receipt: await notify(token, message, badge, sound) };
  } catch (error) {
    return { token, error: String(error) };
  }
}

function report(report: Report): void {
  process.send?.(report);
}
