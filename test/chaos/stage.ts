/** Does to the processes, and to the way between them, what the plan says, and keeps the history that the judgement needs. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../support/child.js';
import type { Daemon } from './daemon.js';
import type { History, Life } from './ledger.js';
import type { LoadFunctions } from './load.js';
import type { TcpProxy } from './proxy.js';
import type { Trouble } from './schedule.js';
import type { SimulatorFunctions } from './simulator.js';

export interface Parts {
  simulator: Child<SimulatorFunctions>;
  daemon: Daemon;
  proxy: TcpProxy;
  load: Child<LoadFunctions>;
}

export class Stage {
  readonly history: Omit<History, 'hangUps' | 'timeoutMs'> = { lives: [], disturbances: [] };
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async play({ kind, forMs, times, when }: Trouble): Promise<void> {
    const { simulator, daemon, proxy, load } = this.#parts;
    switch (kind) {
      case 'kill':
        return this.#restart('SIGKILL', forMs);
      case 'terminate':
        return this.#restart('SIGTERM', forMs);
      case 'stop':
        return this.#disturb(forMs, {
          begin: () => daemon.signal('SIGSTOP'),
          end: () => daemon.signal('SIGCONT'),
        });
      case 'close':
        return this.#disturb(forMs, { begin: () => proxy.close(), end: () => proxy.open() });
      case 'silence':
        return this.#disturb(forMs, { begin: () => proxy.silence(), end: () => proxy.speak() });
      case 'goAway':
        return simulator.call('goAway', when);
      case 'reset':
        return simulator.call('reset', when, times);
      case 'stall':
        return simulator.call('stall', when, times);
      case 'hangUp':
        return simulator.call('hangUp');
      case 'refuse':
        return simulator.call('refuse', times);
      case 'certificate':
        return load.call('certify', await simulator.call('issue'));
    }
  }

  async #restart(endedBy: Life['endedBy'], downMs: number): Promise<void> {
    const { simulator, daemon, proxy } = this.#parts;
    await daemon.end(endedBy);
    const endedAt = Date.now();
    await proxy.lead(undefined);
    // All on which it can have sent anything: it sends when it has the simulator's SETTINGS, and by then it is counted.
    const lastConnection = await simulator.call('connections');
    this.history.lives.push({ lastConnection, endedBy, endedAt });
    await delay(downMs);
    await proxy.lead(await daemon.start());
  }

  async #disturb(
    forMs: number,
    { begin, end }: Record<'begin' | 'end', () => void | Promise<void>>,
  ): Promise<void> {
    // It stands in the history from its beginning on, in case a life ends meanwhile.
    const span = { from: Date.now(), to: Number.POSITIVE_INFINITY };
    this.history.disturbances.push(span);
    await begin();
    await delay(forMs);
    await end();
    span.to = Date.now();
  }
}
