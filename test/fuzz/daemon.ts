/** The process that is fuzzed: a daemon with the app `app1`, and a simulator that keeps nothing. Tells its use of memory when asked. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createDaemon } from '../../src/daemon/index.js';
import { createSimulator } from '../../src/testing/index.js';

const simulator = await createSimulator({ remember: false });
const daemon = await createDaemon({
  listen: '127.0.0.1:0',
  gateways: { sandbox: simulator.url, production: simulator.url },
  ca: simulator.ca,
  initial: [{ appId: 'app1', cert: simulator.certificate, environment: 'sandbox' }],
  // A line a fault is written as the command would.
  log: (event, fields) => void JSON.stringify({ event, ...fields }),
  // Full soon: what grows from then on grows for ever.
  remember: 100,
});

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

process.on('message', () => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  process.send?.({ megabytes: Math.round((heapUsed + external) / 100_000) / 10 });
});
process.on('disconnect', () => process.exit());
process.send?.({ url: daemon.url });
