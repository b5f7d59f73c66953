/**
 * Credentials that are there to hurt, from many callers at once. The daemon stays small, answers others meanwhile, tells
 * each caller what is wrong, and ends in its time.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { call } from '../support/calling.js';
import { Child } from '../support/child.js';
import {
  derived,
  type HostileCredentials,
  quicklyRefused,
  slowCertificate,
} from '../support/hostile-credentials.js';
import type { Bystander } from './bystander.js';
import { median, PAUSE_MS, type Stage, start } from './stage.js';

export interface CredentialsOptions {
  /** How often each is provisioned. @default 5 */
  rounds?: number;
  /** How many callers provision the same at once. @default 10 */
  callers?: number;
  say?: (line: string) => void;
}

export interface CredentialsSoaked {
  /** The most memory that the daemon ever had, in MiB. */
  peakMiB: number;
  /** Of a good `system.listMethods` meanwhile, in milliseconds. */
  medianMs: number;
  longestMs: number;
  calls: number;
  /** From SIGTERM to its end, with keys that wait to be derived. */
  endedAfterMs: number;
}

const MOST_MIB = 250;
const MOST_MS = 100;
/** A key that OpenSSL derives can't be called off: that takes a second. The rest is for other work of the machine. */
const MOST_END_MS = 5000;
const environment = 'sandbox';

export async function soakCredentials(
  options: CredentialsOptions = {},
): Promise<CredentialsSoaked> {
  const { rounds = 5, callers = 10, say = () => {} } = options;
  await using stage = await start('--drain-timeout', '30');
  const samples = await attackAndWatch(stage, rounds, callers, say);
  const soaked = {
    peakMiB: stage.peakMiB(),
    medianMs: median(samples),
    longestMs: Math.round(Math.max(...samples)),
    calls: samples.length,
    endedAfterMs: await endAmidDerivations(stage),
  };
  assert.ok(soaked.peakMiB < MOST_MIB, `the daemon had ${soaked.peakMiB} MiB`);
  assert.ok(soaked.medianMs < MOST_MS, `the median was ${soaked.medianMs} ms`);
  assert.ok(soaked.endedAfterMs < MOST_END_MS, `the end took ${soaked.endedAfterMs} ms`);
  return soaked;
}

/** How long good calls took meanwhile, in milliseconds. */
async function attackAndWatch(
  stage: Stage,
  rounds: number,
  callers: number,
  say: (line: string) => void,
): Promise<number[]> {
  await using bystander = new Child<Bystander>(join(import.meta.dirname, 'bystander.ts'));
  await bystander.call('begin', stage.url);
  for (let round = 1; round <= rounds; round += 1) {
    await attack(stage, callers);
    const took = median(await bystander.call('samples'));
    say(`round ${round}: ${stage.peakMiB()} MiB at most, ${took} ms at the median`);
  }
  return await bystander.call('samples');
}

async function attack({ url }: Stage, callers: number): Promise<void> {
  const again = <T>(items: readonly T[]) => Array.from({ length: callers }, () => items).flat();
  await Promise.all([
    ...again(quicklyRefused).map((hostile) => refused(url, hostile)),
    ...derived.map((hostile) => refused(url, hostile)),
    ...again([slowCertificate]).map((cert) => provision(url, { cert })),
  ]);
}

async function refused(url: string, { name, source, says }: HostileCredentials): Promise<void> {
  await assert.rejects(provision(url, source), ({ faultCode, faultString }) => {
    assert.equal(faultCode, 422, `${name}: ${faultString}`);
    assert.match(faultString, says, name);
    return true;
  });
}

/** Called again, as clients do, when it is told that there is too much at once. */
async function provision(url: string, source: HostileCredentials['source']): Promise<unknown> {
  for (;;) {
    try {
      return await call(url, 'apnsd.provision', { appId: 'hostile', environment, ...source });
    } catch (error) {
      if ((error as { faultCode?: number }).faultCode !== 503) throw error;
      await setTimeout(PAUSE_MS);
    }
  }
}

async function endAmidDerivations({ url, end }: Stage): Promise<number> {
  const called = Array.from({ length: 20 }, (_, place) => {
    const source = derived[place % derived.length]?.source;
    return call(url, 'apnsd.provision', { appId: 'hostile', environment, ...source }).catch(
      () => {},
    );
  });
  await call(url, 'system.listMethods');
  const before = performance.now();
  assert.equal(await end(), 0);
  await Promise.all(called);
  return Math.round(performance.now() - before);
}
