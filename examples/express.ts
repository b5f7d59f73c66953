/**
 * A small HTTP app, `node --import tsx examples/express.ts`: a restaurant tells its guests that their table is ready.
 * It configures once, at start-up; no route knows whether the daemon has just been restarted.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ApnsdError, configure, notify } from 'apnsd';
import express, { type ErrorRequestHandler } from 'express';

const client = configure({
  host: process.env.APNSD_HOST ?? 'http://127.0.0.1:7077/',
  initial: [
    {
      appId: 'MyAppName',
      cert: process.env.APNSD_CERT ?? '/path/to/apns_sandbox.pem',
      environment: 'sandbox',
    },
  ],
  // A guest's phone can wait for longer than whoever waits for this app's answer.
  deadlineMs: 10_000,
});

/** Device tokens by table; a real app has a database. */
const devices = new Map<string, string>();

const app = express();
app.use(express.json());

app.put('/tables/:id/device', (request, response) => {
  const { token } = request.body ?? {};
  if (typeof token !== 'string') {
    response.status(400).json({ error: 'token is missing, expected { "token": "<hex>" }' });
    return;
  }
  devices.set(request.params.id, token);
  response.status(204).end();
});

app.post('/tables/:id/ready', async (request, response) => {
  const { id } = request.params;
  const token = devices.get(id);
  if (token === undefined) {
    response.status(404).json({ error: `nobody waits for table ${id}` });
    return;
  }
  const receipt = await notify(token, `Table ${id} is ready`, 1, 'default');
  if (receipt.status !== 'rejected') {
    // By Apple, which is not yet "delivered": hence not 200.
    response.status(202).json({ id: receipt.id });
  } else if (receipt.tokenIsDead) {
    // The guest may have come back with another token meanwhile: only the dead one goes.
    if (devices.get(id) === token) devices.delete(id);
    response.status(410).json({ error: 'the guest has removed the app' });
  } else {
    response.status(422).json({ error: `Apple refused it: ${receipt.reason}` });
  }
});

/** By the code of what `notify` throws; all else is for us to mend, a wrong certificate for example. */
const answers: Record<string, [status: number, error: string]> = {
  INVALID_ARGUMENT: [400, 'the token is no device token'],
  DEADLINE: [504, 'no answer in time; the notification may still arrive'],
  OVERLOADED: [503, 'too busy, try again later'],
  CLOSED: [503, 'this app is shutting down'],
};

const onError: ErrorRequestHandler = (error, _request, response, next) => {
  if (!(error instanceof ApnsdError)) {
    next(error);
    return;
  }
  const [status, text] = answers[error.code] ?? [500, 'push is out of order'];
  if (status === 500) console.error(error);
  response.status(status).json({ error: text });
};
app.use(onError);

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
console.log(`listening on http://127.0.0.1:${port}`);

// First the requests that are under way get their answers, then the client has nothing left to do.
process.once('SIGTERM', async () => {
  server.close();
  // Connections that fall idle from now on end too, rather than after the usual five seconds; 0 would be never.
  server.keepAliveTimeout = 1;
  await once(server, 'close');
  await client.close();
});
