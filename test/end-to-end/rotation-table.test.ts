/**
 * What becomes of notifications when an app's credentials change: for each kind of credentials, each thing that Apple may
 * say to the new ones, each extent of the change and each way to bring it about, what arrived at Apple's gateways, by
 * which connection and for which topic, what the caller heard, and what status says.
 */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import { type ApnsdError, type App, createClient } from '../../src/index.js';
import { createAuthority, createProviderKey } from '../../src/testing/authority.js';
import { createSimulator } from '../../src/testing/index.js';
import { call, sendAndWait } from '../support/calling.js';
import { serve } from '../support/command.js';
import { file, folder } from '../support/folder.js';
import { tlsGateTo } from '../support/tls-gate.js';

const kinds = ['certificate', '.p8', '.p8 to certificate'] as const;
const results = ['good', 'refused by 403', 'refused by TLS', 'gateway away'] as const;
const extents = ['same topic and environment', 'other topic', 'other environment'] as const;

interface Cell {
  kind: (typeof kinds)[number];
  result: (typeof results)[number];
  extent: (typeof extents)[number];
}

const cells: Cell[] = kinds
  .flatMap((kind) => results.map((result) => ({ kind, result })))
  .flatMap((cell) => extents.map((extent) => ({ ...cell, extent })))
  // A gateway sees no token before it has taken the connection.
  .filter(({ kind, result }) => kind !== '.p8' || result !== 'refused by TLS');

type Environment = 'sandbox' | 'production';

/** An entry of `initial`, and as a config file has it. */
interface Entry {
  appId: string;
  environment: Environment;
  topic?: string;
  cert?: string;
  key?: string;
  keyId?: string;
  teamId?: string;
}

interface AppStatus {
  appId: string;
  topic: string;
  environment: string;
  changing: boolean;
  change?: { state: string; reason?: string };
  refusal?: { reason: string };
  trouble?: { reason: string };
}

const topic = 'com.example.app';
const otherTopic = 'com.example.other';
const topics = [topic, otherTopic];
const payload = { aps: { alert: 'Hello' } };
const deviceToken = 'aa11';
/** What is short enough to wait for in vain, and enough for an answer. */
const impatientMs = 250;
const patientMs = 20_000;

// One Apple, with two gateways, and credentials that are made once.
const sandbox = await createSimulator({ topics });
const production = await createSimulator({ topics, environment: 'production' });
const simulators = { sandbox, production };
const gates = { sandbox: await tlsGateTo(sandbox), production: await tlsGateTo(production) };
after(async () => {
  for (const gate of Object.values(gates)) await gate[Symbol.asyncDispose]();
  for (const simulator of Object.values(simulators)) await simulator.close();
});

const foreign = await createAuthority();
const oldCertificate = await sandbox.issueCertificate({ topic });
gates.sandbox.admit(oldCertificate);
const wishes = {
  'same topic and environment': { topic, environment: 'sandbox' },
  'other topic': { topic: otherTopic, environment: 'sandbox' },
  'other environment': { topic, environment: 'production' },
} as const;
const certificates = new Map(
  await Promise.all(
    extents.map(async (extent) => {
      const wish = wishes[extent];
      const genuine = await sandbox.issueCertificate(wish);
      return [extent, { genuine, foreign: await foreign.issueCertificate(wish) }] as const;
    }),
  ),
);

/** The credentials that a cell begins with. */
function before({ kind }: Cell, appId: string): Entry {
  const entry = { appId, environment: 'sandbox' } as const;
  if (kind === 'certificate') return { ...entry, cert: oldCertificate };
  return { ...entry, topic, ...entryOf(sandbox.key) };
}

function entryOf({ key, keyId, teamId }: { key: string; keyId: string; teamId: string }) {
  return { key, keyId, teamId };
}

/**
 * The credentials that are to follow; the gates are set for them.
 * @param ids of the key, where they can't change; Apple goes on taking the token of the key that had them before
 */
async function afterwards(
  { kind, result, extent }: Cell,
  appId: string,
  ids: { keyId?: string; teamId?: string } = {},
): Promise<Entry> {
  const { topic, environment } = wishes[extent];
  const gate = gates[environment];
  gate.open = result !== 'gateway away';
  if (kind === '.p8') {
    const wish = { topics, ...ids };
    const issued =
      result === 'refused by 403'
        ? await createProviderKey(wish)
        : await simulators[environment].issueKey(wish);
    return { appId, environment, topic, ...entryOf(issued) };
  }
  const certificate = certificates.get(extent);
  const cert = (result === 'refused by 403' ? certificate?.foreign : certificate?.genuine) ?? '';
  if (result === 'refused by TLS') gate.refuse(cert);
  else gate.admit(cert);
  return { appId, environment, cert };
}

/** One way to tell a daemon of credentials. */
interface Way {
  url: string;
  /** It changes a key's contents only. */
  keepsIds?: true;
  /** Resolves once the daemon has the entry, or will have it at the first notification. */
  take(entry: Entry): Promise<void>;
  /** What the caller hears: a receipt's status, or an error's code. */
  notify(appId: string, timeoutMs: number): Promise<string>;
}

async function notify(url: string, appId: string, timeoutMs: number): Promise<string> {
  const to: [string, string][] = [[deviceToken, crypto.randomUUID()]];
  const [answer] = await sendAndWait(url, appId, [{ payload, to }], timeoutMs);
  assert.ok(answer);
  return answer.status === 'failed' ? answer.code : answer.status;
}

async function statusOf(url: string, appId: string): Promise<AppStatus | undefined> {
  const { apps } = (await call(url, 'apnsd.status')) as { apps: AppStatus[] };
  return apps.find((app) => app.appId === appId);
}

/** Asks until it is so; the test's own time limit ends it. */
async function statusUntil(
  url: string,
  appId: string,
  isSo: (status: AppStatus) => boolean,
): Promise<AppStatus> {
  for (;;) {
    const status = await statusOf(url, appId);
    if (status && isSo(status)) return status;
  }
}

/** Without a notification a change of the same topic and environment does not get any further. */
function hasChangedFrom({ topic, environment }: AppStatus): (app: AppStatus) => boolean {
  return (app) => app.changing || app.topic !== topic || app.environment !== environment;
}

async function check(cell: Cell, appId: string, way: Way): Promise<void> {
  const { result, extent } = cell;
  const { url } = way;
  const same = extent === 'same topic and environment';
  const wish = wishes[extent];
  const old = before(cell, appId);
  if (way.keepsIds && old.key) Object.assign(old, entryOf(await sandbox.issueKey()));
  const { keyId, teamId } = old;
  await way.take(old);
  assert.equal(await way.notify(appId, patientMs), 'accepted');
  const oldConnection = sandbox.requests.at(-1)?.connection;
  assert.ok(oldConnection);
  const seen = { sandbox: sandbox.requests.length, production: production.requests.length };
  /** What arrived since the change: whether Apple took it, with the old or the new credentials. */
  const went = () =>
    (['sandbox', 'production'] as const).flatMap((environment) =>
      simulators[environment].requests.slice(seen[environment]).map((request) => {
        const { connection, status } = request;
        const isOld = environment === 'sandbox' && connection === oldConnection;
        const expected = isOld ? wishes['same topic and environment'] : wish;
        assert.equal(environment, expected.environment);
        assert.equal(request.topic, expected.topic);
        return `${isOld ? 'old' : 'new'} ${status}`;
      }),
    );

  const entry = await afterwards(
    cell,
    appId,
    way.keepsIds && keyId && teamId ? { keyId, teamId } : {},
  );
  try {
    await way.take(entry);
    if (same) await checkSame();
    else await checkOther();
  } finally {
    gates[wish.environment].open = true;
  }

  async function checkSame(): Promise<void> {
    // The first may come while the new connection is being dialled.
    assert.equal(await way.notify(appId, patientMs), 'accepted');
    const decided = ({ changing, change }: AppStatus) =>
      !changing || change?.state !== 'dialling' || change.reason !== undefined;
    await statusUntil(url, appId, decided);
    for (let count = 0; count < 3; count += 1) {
      assert.equal(await way.notify(appId, patientMs), 'accepted');
    }
    const status = await statusUntil(url, appId, decided);
    const order = went().join(', ');
    switch (result) {
      case 'good':
        assert.match(order, /^(old 200, )?new 200, new 200, new 200(, new 200)?$/);
        assert.equal(status.changing, false);
        assert.equal(status.refusal, undefined);
        break;
      case 'refused by 403':
        // On a slow machine it may be time for another trial.
        assert.match(order, /^(old 200, )*(new 403, old 200(, old 200)*)+$/);
        assert.equal(went().filter((one) => one === 'old 200').length, 4);
        assert.equal(status.changing, true);
        assert.equal(status.change?.state, 'set aside');
        assert.match(status.refusal?.reason ?? '', /^Apple answered 403 (BadC|InvalidP)/);
        break;
      default:
        assert.equal(order, 'old 200, old 200, old 200, old 200');
        assert.equal(status.change?.state, 'dialling');
        assert.match(status.change?.reason ?? '', /^gateway 127\.0\.0\.1:/);
        assert.equal(status.refusal, undefined);
        assert.equal(status.trouble, undefined);
    }
    if (result !== 'gateway away') return;
    gates.sandbox.open = true;
    await statusUntil(url, appId, ({ change }) => change?.state === 'on trial');
    assert.equal(await way.notify(appId, patientMs), 'accepted');
    assert.equal(went().at(-1), 'new 200');
    assert.equal((await statusOf(url, appId))?.changing, false);
  }

  async function checkOther(): Promise<void> {
    const timeoutMs =
      result === 'refused by TLS' || result === 'gateway away' ? impatientMs : patientMs;
    const heard = await Promise.all([1, 2, 3].map(() => way.notify(appId, timeoutMs)));
    const isTroubled = timeoutMs === impatientMs;
    const status = await statusUntil(
      url,
      appId,
      ({ trouble }) => !isTroubled || trouble !== undefined,
    );
    assert.equal(status.changing, false);
    assert.equal(status.topic, wish.topic);
    assert.equal(status.environment, wish.environment);
    switch (result) {
      case 'good':
        assert.deepEqual(heard, ['accepted', 'accepted', 'accepted']);
        assert.deepEqual(went(), ['new 200', 'new 200', 'new 200']);
        assert.equal(status.refusal, undefined);
        break;
      case 'refused by 403':
        assert.deepEqual(heard, ['CREDENTIALS', 'CREDENTIALS', 'CREDENTIALS']);
        assert.deepEqual(went(), ['new 403', 'new 403', 'new 403']);
        assert.match(status.refusal?.reason ?? '', /^Apple answered 403 (BadC|InvalidP)/);
        break;
      default:
        for (const one of heard) assert.match(one, /^(APNS_UNAVAILABLE|DEADLINE)$/);
        assert.deepEqual(went(), []);
        assert.match(status.trouble?.reason ?? '', /^gateway 127\.0\.0\.1:/);
    }
    if (result !== 'gateway away') return;
    const waiting = way.notify(appId, patientMs);
    gates[wish.environment].open = true;
    assert.equal(await waiting, 'accepted');
    assert.deepEqual(new Set(went()), new Set(['new 200']));
    assert.equal((await statusOf(url, appId))?.trouble, undefined);
  }
}

function startDaemon() {
  return createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: gates.sandbox.url, production: gates.production.url },
    ca: sandbox.ca,
    watchMs: 5,
    log: () => {},
  });
}

const nameOf = ({ kind, result, extent }: Cell) => `${kind}, ${result}, ${extent}`;

test('credentials that change by provision', async (t) => {
  await using daemon = await startDaemon();
  const { url } = daemon;
  const way: Way = {
    url,
    take: async (entry) => void (await call(url, 'apnsd.provision', entry)),
    notify: (appId, timeoutMs) => notify(url, appId, timeoutMs),
  };
  for (const cell of cells) await t.test(nameOf(cell), () => check(cell, nameOf(cell), way));
});

test('credentials that change by configure', async (t) => {
  await using daemon = await startDaemon();
  await using client = createClient({ host: daemon.url });
  const way: Way = {
    url: daemon.url,
    take: async (entry) => void client.configure({ host: daemon.url, initial: [entry as App] }),
    notify: (appId, deadlineMs) =>
      client.notify(deviceToken, { payload }, { appId, deadlineMs }).then(
        ({ status }) => status,
        ({ code }: ApnsdError) => code,
      ),
  };
  for (const cell of cells) await t.test(nameOf(cell), () => check(cell, nameOf(cell), way));
});

test('credentials that change by file', async (t) => {
  await using daemon = await startDaemon();
  const { url } = daemon;
  const way: Way = {
    url,
    keepsIds: true,
    async take(entry) {
      const { appId, cert, key = '' } = entry;
      const written = await file('new', cert ?? key);
      const path = join(folder, appId);
      const before = await statusOf(url, appId);
      await rename(written, path);
      if (before) await statusUntil(url, appId, hasChangedFrom(before));
      else {
        const named = cert === undefined ? { key: path } : { cert: path };
        await call(url, 'apnsd.provision', { ...entry, ...named });
      }
    },
    notify: (appId, timeoutMs) => notify(url, appId, timeoutMs),
  };
  // A file has neither an environment nor, with a key, a topic or an id; and what was a key's can't be a certificate's.
  const byFile = cells.filter(({ kind, extent }) =>
    kind === 'certificate'
      ? extent !== 'other environment'
      : kind === '.p8' && extent === 'same topic and environment',
  );
  for (const cell of byFile) await t.test(nameOf(cell), () => check(cell, nameOf(cell), way));
});

test('credentials that change by SIGHUP', async (t) => {
  const write = (...initial: Entry[]) => file('config.json', JSON.stringify({ initial }));
  const config = await write();
  const gateways = Object.entries(gates).flatMap(([environment, { url }]) => [
    '--gateway',
    `${environment}=${url}`,
  ]);
  const ca = await file('ca.pem', sandbox.ca);
  await using daemon = await serve('--config', config, '--ca', ca, ...gateways);
  const { url } = daemon;
  const way: Way = {
    url,
    async take(entry) {
      const before = await statusOf(url, entry.appId);
      await write(entry);
      // The log leaves lines out where many come in a second: status does not.
      daemon.signal('SIGHUP');
      await statusUntil(url, entry.appId, before ? hasChangedFrom(before) : () => true);
    },
    notify: (appId, timeoutMs) => notify(url, appId, timeoutMs),
  };
  for (const cell of cells) await t.test(nameOf(cell), () => check(cell, nameOf(cell), way));
  daemon.signal('SIGTERM');
  assert.deepEqual(await daemon.ended, [0, null]);
});
