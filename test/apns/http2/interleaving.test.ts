import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Outcome } from '../../../src/apns/sender.js';
import {
  answer,
  END_STREAM,
  frame,
  goAway,
  later,
  openPool,
  type Peer,
  request,
  type ScriptedServer,
  settings,
  startScriptedServer,
  Type,
  u32,
} from './scripted-server.js';

/** What the server does next; `at` chooses among what is there. */
type Step =
  | { do: 'answer'; at: number; status: number; body: string }
  | { do: 'reset'; at: number; code: number }
  | { do: 'go away'; at: number; within: number }
  | { do: 'cut off'; at: number }
  | { do: 'limit'; at: number; streams: number }
  | { do: 'window'; at: number; bytes: number }
  | { do: 'open window'; at: number; bytes: number }
  | { do: 'chatter'; at: number }
  | { do: 'send'; size: number; patienceMs: number }
  | { do: 'wait'; ms: number };

const at = fc.nat(9);
const bytes = fc.constantFrom(0, 1, 9, 100, 65_535);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      at,
      status: fc.constantFrom(200, 200, 410, 500),
      body: fc.constantFrom('', '{}'),
    }),
  },
  fc.record({ do: fc.constant('reset' as const), at, code: fc.constantFrom(7, 7, 2, 0) }),
  fc.record({ do: fc.constant('go away' as const), at, within: fc.nat(5) }),
  fc.record({ do: fc.constant('cut off' as const), at }),
  fc.record({ do: fc.constant('limit' as const), at, streams: fc.nat(4) }),
  fc.record({ do: fc.constant('window' as const), at, bytes }),
  fc.record({ do: fc.constant('open window' as const), at, bytes }),
  fc.record({ do: fc.constant('chatter' as const), at }),
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      size: fc.nat(300),
      patienceMs: fc.constantFrom(5_000, 5_000, 5_000, 8),
    }),
  },
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4) }),
);

interface Taken {
  peer: Peer;
  stream: number;
  body: string;
  /** What the server made of it: nothing yet, not processed, or processed; answered with a status if so. */
  fate: 'open' | 'refused' | 'processed';
  status?: number;
}

/** Keeps to HTTP/2, and remembers what it has accepted. */
class Gateway {
  readonly taken: Taken[] = [];
  readonly peers: Peer[] = [];
  readonly #goneAway = new Map<Peer, number>();
  #benign = false;

  constructor(server: ScriptedServer) {
    this.#accept(server);
  }

  do(step: Step): void {
    const live = this.peers.filter((peer) => !peer.socket.destroyed);
    const open = this.taken.filter(({ fate, peer }) => fate === 'open' && !peer.socket.destroyed);
    const one = 'at' in step ? open[step.at % open.length] : undefined;
    const peer = 'at' in step ? live[step.at % live.length] : undefined;
    if (one && step.do === 'answer') this.#answer(one, step.status, step.body);
    else if (one && step.do === 'reset') this.#reset(one, step.code);
    else if (!peer) return;
    else if (step.do === 'go away') this.#goAway(peer, step.within);
    else if (step.do === 'cut off') peer.socket.destroy();
    else if (step.do === 'limit') peer.write(settings([3, step.streams]));
    else if (step.do === 'window') peer.write(settings([4, step.bytes]));
    else if (step.do === 'open window' && step.bytes > 0) this.#openWindow(peer, step.bytes);
    else if (step.do === 'chatter') {
      peer.write(frame(Type.ping, 0, 0, '12345678'), frame(77, 0, 0, 'unknown'), settings());
    }
  }

  /** From now on everything is let through. */
  mend(): void {
    this.#benign = true;
    for (const peer of this.peers) this.#welcome(peer);
    for (const one of this.taken) if (one.fate === 'open') this.#answer(one, 200, '');
  }

  #welcome(peer: Peer): void {
    peer.write(settings([3, 100], [4, 65_535]));
    for (const stream of this.#unfinished(peer)) {
      peer.write(frame(Type.windowUpdate, 0, stream, u32(1000)));
    }
  }

  async #accept(server: ScriptedServer): Promise<void> {
    for (;;) {
      const peer = await server.accept();
      this.peers.push(peer);
      if (this.#benign) this.#welcome(peer);
      peer.socket.on('data', () => this.#take(peer));
      this.#take(peer);
    }
  }

  #take(peer: Peer): void {
    for (const { type, flags, stream } of peer.received) {
      if (type === Type.reset) this.#cancelled(peer, stream);
      if (type !== Type.data || !(flags & END_STREAM)) continue;
      if (this.taken.some((one) => one.peer === peer && one.stream === stream)) continue;
      const refused = stream > (this.#goneAway.get(peer) ?? Number.POSITIVE_INFINITY);
      const one: Taken = {
        peer,
        stream,
        body: peer.body(stream),
        fate: refused ? 'refused' : 'open',
      };
      this.taken.push(one);
      if (this.#benign && one.fate === 'open') this.#answer(one, 200, '');
    }
  }

  /** The client has given it up; the server had it, and may have processed it. */
  #cancelled(peer: Peer, stream: number): void {
    for (const one of this.taken) {
      if (one.peer === peer && one.stream === stream && one.fate === 'open') one.fate = 'processed';
    }
  }

  #answer(one: Taken, status: number, body: string): void {
    one.fate = 'processed';
    one.status = status;
    one.peer.write(answer(one.stream, status, body));
  }

  #reset(one: Taken, code: number): void {
    one.fate = code === 7 ? 'refused' : 'processed';
    one.peer.write(frame(Type.reset, 0, one.stream, u32(code)));
  }

  #goAway(peer: Peer, within: number): void {
    const streams = this.taken.filter((one) => one.peer === peer).map(({ stream }) => stream);
    const last = Math.min(streams[within] ?? 0, this.#goneAway.get(peer) ?? 2 ** 31 - 1);
    this.#goneAway.set(peer, last);
    for (const one of this.taken) {
      if (one.peer === peer && one.stream > last && one.fate === 'open') one.fate = 'refused';
    }
    peer.write(goAway(last));
  }

  #openWindow(peer: Peer, increment: number): void {
    for (const stream of [0, ...this.#unfinished(peer)]) {
      peer.write(frame(Type.windowUpdate, 0, stream, u32(increment)));
    }
  }

  #unfinished(peer: Peer): number[] {
    const opened = peer.received.filter(({ type }) => type === Type.headers);
    const over = new Set(
      peer.received
        .filter(
          ({ type, flags }) => type === Type.reset || (type === Type.data && flags & END_STREAM),
        )
        .map(({ stream }) => stream),
    );
    return opened.map(({ stream }) => stream).filter((stream) => !over.has(stream));
  }
}

test('whatever a gateway does, each request settles once, and truly', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      await using server = await startScriptedServer();
      const gateway = new Gateway(server);
      const limits = {
        ...{ maxConnections: 3, growAfterMs: 4, tickMs: 2, spareAfterMs: 20, closeTimeoutMs: 20 },
        backoff: { firstMs: 1, factor: 1, maxMs: 1 },
      };
      await using pool = openPool(server, { limits });
      const settled: { body: string; outcome: Outcome }[] = [];
      const sent: Promise<unknown>[] = [];
      const send = (size: number, patienceMs: number) => {
        const body = `${sent.length}:${'x'.repeat(size)}`;
        const outcome = pool.send(request(body), later(patienceMs));
        sent.push(outcome.then((value) => settled.push({ body, outcome: value })));
      };
      for (const one of steps) {
        if (one.do === 'send') send(one.size, one.patienceMs);
        else if (one.do === 'wait') await delay(one.ms);
        else {
          await new Promise((resolve) => setImmediate(resolve));
          gateway.do(one);
        }
      }
      gateway.mend();
      await Promise.all(sent);
      assert.equal(settled.length, sent.length);
      for (const { body, outcome } of settled) {
        const taken = gateway.taken.filter((one) => one.body === body);
        const processed = taken.filter(({ fate }) => fate !== 'refused');
        // What a server has taken and not refused is never sent again.
        assert.ok(processed.length <= 1, `${body} was sent ${processed.length} times`);
        if (outcome.kind === 'response') assert.equal(outcome.status, processed[0]?.status);
        if (outcome.kind === 'unsent') assert.equal(processed.length, 0, outcome.cause.message);
        // Those with patience are lost only with their connection.
        if (outcome.kind === 'unknown') assert.notEqual(outcome.cause.message, '');
      }
    }),
    { numRuns: Number(process.env.APNSD_RUNS ?? 60) },
  );
});
