/**
 * Answers that are there to hurt: long ones that nobody reads, and multicalls of a thousand of them. The daemon stays
 * small, answers others meanwhile, and ends in its time.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { call, callXml, post, send, socketTo } from '../support/calling.js';
import { median, type Stage, start, watch } from './stage.js';

export interface AnswersOptions {
  /** Of the dead tokens that wait in feedback. @default 100,000, as many as there may be */
  deadTokens?: number;
  /** Who don't read. @default 300 */
  callers?: number;
  /** How long each of them holds its answer back, in milliseconds. @default 3,000 */
  holdMs?: number;
  /** What a good `notify` may take at the median, in milliseconds. @default 100 */
  mostMs?: number;
  say?: (line: string) => void;
}

export interface AnswersSoaked {
  /** The most memory that the daemon ever had, in MiB. */
  peakMiB: number;
  /** Of a good `notify` meanwhile, in milliseconds. */
  medianMs: number;
  longestMs: number;
  calls: number;
  /** From SIGTERM to its end, with answers that nobody reads. */
  endedAfterMs: number;
}

const MOST_MIB = 250;
const DRAIN_SECONDS = 2;
/** What a machine with other work may take beside it. */
const SLACK_MS = 5000;
const APPS = 20;
/** Of one `apnsd.send`. */
const TOGETHER = 2000;

const feedback = callXml('apnsd.feedback', 'dead', '');
const thousand = (method: string, ...params: string[]) => {
  const values = params.map((param) => `<value>${param}</value>`).join('');
  const one = `<value><struct><member><name>methodName</name><value>${method}</value></member><member><name>params</name><value><array><data>${values}</data></array></value></member></struct></value>`;
  return callXml('system.multicall', `<array><data>${one.repeat(1000)}</data></array>`);
};
const bodies = {
  'apnsd.feedback': feedback,
  'a thousand apnsd.status': thousand('apnsd.status'),
  'a thousand apnsd.feedback': thousand('apnsd.feedback', 'dead', ''),
};

export async function soakAnswers(options: AnswersOptions = {}): Promise<AnswersSoaked> {
  const {
    deadTokens = 100_000,
    callers = 300,
    holdMs = 3000,
    mostMs = 100,
    say = () => {},
  } = options;
  await using stage = await start('--drain-timeout', String(DRAIN_SECONDS));
  await fill(stage, deadTokens);
  say(`${deadTokens} dead tokens, ${APPS} apps: ${stage.peakMiB()} MiB`);
  const samples: number[] = [];
  const watched = watch(stage.url, samples);
  for (const [name, body] of Object.entries(bodies)) {
    const work = async () => {
      const sockets = await unread(stage.url, body, callers);
      await setTimeout(holdMs);
      await closed(sockets);
    };
    await Promise.race([work(), watched.done]);
    say(`${callers} don't read ${name}: ${figures(stage, samples)}`);
  }
  for (const [name, body] of Object.entries(bodies).slice(1)) {
    const results = await Promise.race([resultsOf(stage.url, body), watched.done]);
    say(`${name}, read: ${results}; ${figures(stage, samples)}`);
  }
  watched.stop();
  await watched.done;
  const peakMiB = stage.peakMiB();
  const sockets = await unread(stage.url, feedback, callers);
  const before = performance.now();
  assert.equal(await stage.end(), 0);
  const endedAfterMs = Math.round(performance.now() - before);
  await closed(sockets);

  const soaked = {
    peakMiB,
    medianMs: median(samples),
    longestMs: Math.round(Math.max(...samples)),
    calls: samples.length,
    endedAfterMs,
  };
  assert.ok(soaked.peakMiB < MOST_MIB, `the daemon had ${soaked.peakMiB} MiB`);
  assert.ok(soaked.medianMs < mostMs, `the median was ${soaked.medianMs} ms`);
  const most = DRAIN_SECONDS * 1000 + SLACK_MS;
  assert.ok(endedAfterMs < most, `it ended after ${endedAfterMs} ms`);
  return soaked;
}

function figures({ peakMiB }: Stage, samples: number[]): string {
  return `${peakMiB()} MiB at most, ${median(samples)} ms at the median`;
}

/** Has Apple call so many tokens of the app `dead` dead, and provisions some more apps. */
async function fill({ url, simulator }: Stage, deadTokens: number): Promise<void> {
  for (let each = 0; each < APPS; each += 1) {
    await call(url, 'provision', `app${each}`, simulator.certificate, 'sandbox');
  }
  await call(url, 'provision', 'dead', simulator.certificate, 'sandbox');
  simulator.answer({ status: 410, reason: 'Unregistered' }, { times: deadTokens });
  for (let done = 0; done < deadTokens; done += TOGETHER) {
    const count = Math.min(TOGETHER, deadTokens - done);
    const to = Array.from({ length: count }, (_, each): [string, string] => [
      (done + each).toString(16).padStart(64, '0'),
      crypto.randomUUID(),
    ]);
    let wait = true;
    while (wait) {
      const answers = await send(url, 'dead', [{ payload: { aps: {} }, to }]);
      wait = answers.some(({ status }) => status === 'pending');
    }
  }
}

/** Who make a call each and take no more of the answer than its start. */
async function unread(url: string, body: string, callers: number): Promise<Socket[]> {
  const sockets = Array.from({ length: callers }, () => socketTo(url).on('error', () => {}));
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}\r\n\r\n`;
  const begun = sockets.map(async (socket) => {
    socket.write(head + body);
    await once(socket, 'readable');
    assert.match(String(socket.read(17)), /^HTTP\/1\.1 200 OK\r\n/);
  });
  await Promise.all(begun);
  return sockets;
}

/** How many of a multicall's results are what they should be, and how many found no room. */
async function resultsOf(url: string, body: string): Promise<string> {
  const { text } = await post(url, body);
  const refused = text.split('<name>faultCode</name><value><int>503</int></value>').length - 1;
  const good = text.split('<value><array><data><value><struct><member><name>').length - 1;
  assert.ok(text.endsWith('</methodResponse>\n') && refused + good >= 1000, text.slice(0, 1000));
  return `${good} results, ${refused} without room, ${Math.round(text.length / 1e6)} MB`;
}

async function closed(sockets: Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
}
