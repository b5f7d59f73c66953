import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDaemon } from '../../src/daemon/index.js';
import {
  createSimulator,
  type Environment,
  type RecordedRequest,
} from '../../src/testing/index.js';
import { call, sendAndWait } from '../support/calling.js';

const environments = ['sandbox', 'production'] as const;
const topics = ['com.one.key', 'com.two.key', 'com.one.cert', 'com.two.cert'] as const;
const payload = { aps: { alert: 'Hello' } };

/** The team that a request's provider token is of; none with a certificate. */
function teamOf({ headers }: RecordedRequest): string {
  const [, claims = ''] = headers.authorization?.split('.') ?? [];
  return claims && JSON.parse(Buffer.from(claims, 'base64url').toString()).iss;
}

test('apps of two teams and of both environments, by key and by certificate, never share a connection or a token', async () => {
  await using sandbox = await createSimulator({ environment: 'sandbox', topics });
  await using production = await createSimulator({ environment: 'production', topics });
  const simulators = { sandbox, production };
  await using daemon = await createDaemon({
    listen: '127.0.0.1:0',
    gateways: { sandbox: sandbox.url, production: production.url },
    ca: [sandbox.ca, production.ca],
  });

  // One for each topic and environment; without a team those with a certificate.
  const apps: { appId: string; topic: string; team: string; environment: Environment }[] = [];
  const teams = new Map<string, string>([
    ['com.one.key', 'TEAMONE001'],
    ['com.two.key', 'TEAMTWO002'],
  ]);
  for (const environment of environments) {
    for (const topic of topics) {
      const app = { appId: `${topic} ${environment}`, environment };
      const teamId = teams.get(topic);
      if (teamId) {
        const issued = await simulators[environment].issueKey({ topics: [topic], teamId });
        const { key, keyId } = issued;
        await call(daemon.url, 'apnsd.provision', { ...app, key, keyId, teamId, topic });
      } else {
        const cert = await simulators[environment].issueCertificate({ topic });
        await call(daemon.url, 'apnsd.provision', { ...app, cert });
      }
      apps.push({ ...app, topic, team: teamId ?? '' });
    }
  }

  const to = () =>
    Array.from({ length: 50 }, () => ['ab', crypto.randomUUID()] as [string, string]);
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      apps.map(({ appId }) => sendAndWait(daemon.url, appId, [{ payload, to: to() }])),
    ).flat(),
  );
  for (const answer of answers.flat()) assert.equal(answer.status, 'accepted');

  for (const environment of environments) {
    const { accepted } = simulators[environment];
    const own = apps.filter((app) => app.environment === environment);
    for (const { topic, team } of own) {
      const requests = accepted.filter((request) => request.topic === topic);
      assert.equal(requests.length, 200);
      assert.deepEqual([...new Set(requests.map(teamOf))], [team]);
    }
    assert.equal(accepted.length, own.length * 200);
    const onConnection = new Map<number, Set<string>>();
    for (const request of accepted) {
      const seen = onConnection.get(request.connection) ?? new Set();
      onConnection.set(request.connection, seen.add(`${request.topic} ${teamOf(request)}`));
    }
    for (const seen of onConnection.values()) assert.equal(seen.size, 1, [...seen].join(', '));
    const tokens = new Set(accepted.map(({ headers }) => headers.authorization));
    // Two teams' tokens, and none with a certificate.
    assert.equal(tokens.size, 3);
  }
});
