/** The child of sender.ts: sends with one sender and prints what it took. */
import { randomBytes, randomUUID } from 'node:crypto';
import { type BenchSender, senders } from './senders.js';

/** Notifications before the measured ones. */
const WARM_UP = 10_000;

const [name = '', gateway = '', ca = '', count = '0', concurrency = '0'] = process.argv.slice(2);
const start = senders[name];
if (!start) throw new Error(`no sender is called ${name}`);
/** Tokens and ids come with the calls: making them is not the sender's work. */
const addressees = Array.from({ length: 10_000 }, () => ({
  token: randomBytes(32).toString('hex'),
  id: randomUUID(),
}));
const sender = await start({ gateway, ca });

await sendMany(sender, WARM_UP);
const wallAt = performance.now();
const cpuAt = process.cpuUsage();
await sendMany(sender, Number(count));
const cpu = process.cpuUsage(cpuAt);
const seconds = (performance.now() - wallAt) / 1000;
await sender.close();

console.log(
  JSON.stringify({
    perSecond: Number(count) / seconds,
    cpuMsPerThousand: (cpu.user + cpu.system) / Number(count),
    peakRssMb: process.resourceUsage().maxRSS / 1024,
  }),
);
process.exit();

async function sendMany(sender: BenchSender, many: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < many) {
      const { token, id } = addressees[next++ % addressees.length] as (typeof addressees)[0];
      const alert = { title: 'Bench', body: `Message number ${next}` };
      const status = await sender.send(token, id, { aps: { alert, badge: 1, sound: 'default' } });
      if (status !== 200) throw new Error(`status ${status}`);
    }
  };
  await Promise.all(Array.from({ length: Number(concurrency) }, worker));
}
