/** An app that closes a client in each state, leaves others unclosed, and ends by itself. `closing.test.ts` starts it. */
import { clientOf, token } from './clients.js';

const [good = '', silent = '', busy = '', away = ''] = process.argv.slice(2);

const nameOf = (error: Error) => error.name;
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 30));

async function closed(state: string, host: string, calls: number): Promise<void> {
  const client = clientOf(host, { maxPending: 3 });
  const all = Array.from({ length: calls }, () => client.notify(token, 'x'));
  const ends = Promise.all(all.map((call) => call.then(({ status }) => status, nameOf)));
  const room = calls > 3 ? [client.ready().catch(nameOf)] : [];
  await (state === 'used' ? ends : aMoment());
  await Promise.all([client.close(), client.close()]);
  await client.close();
  console.log(`${state}:`, ...new Set([...(await ends), ...(await Promise.all(room))]));
}

await closed('idle', good, 0);
await closed('used', good, 3);
await closed('waiting for the provisioning', silent, 3);
await closed('waiting for room', silent, 4);
await closed('between repeats', busy, 3);
await closed('in an outage', away, 3);

// These are not closed: what is idle keeps no process.
const used = clientOf(good);
await used.notify(token, 'x');
const deserted = clientOf(away);
const patience = new AbortController();
const waiting = deserted.notify(token, 'x', null, null, { signal: patience.signal });
await aMoment();
patience.abort();
await waiting.catch(nameOf);
// A call that waits does keep it, here until its deadline.
clientOf(away)
  .notify(token, 'x', null, null, { deadlineMs: 300 })
  .catch((error) => console.log(`waiting: ${nameOf(error)}`));
