/** The harness's Apple: the simulator as a process, told what to do to the requests to come. */
import { createSimulator, type Simulator, type When } from 'apnsd/testing';
import { serve } from '../support/child.js';
import type { HangUp } from './ledger.js';

let simulator: Simulator;
const hangUps: HangUp[] = [];

const functions = {
  /** @param record the file that gets a line for each request */
  async start(record: string) {
    simulator = await createSimulator({ record, remember: false });
    const { url, ca, certificate, key } = simulator;
    return { url, ca, certificate, topic: key.topic };
  },

  /** A new certificate for the same topic. */
  issue: () => simulator.issueCertificate({ topic: simulator.key.topic, environment: 'both' }),

  /** `'before'` lets those requests go elsewhere that it has not recorded yet, `'after'` answers all that has come. */
  goAway: (when: When) => simulator.goAway({ lastStreamId: when === 'before' ? 'none' : 'all' }),

  reset: (when: When, times: number) => simulator.reset({ when, times }),

  stall: (when: When, times: number) => simulator.stall({ when, times }),

  refuse: (times: number) =>
    simulator.answer({ status: 503, reason: 'ServiceUnavailable' }, { times }),

  /** Cuts the connection of the next request, which it records. */
  hangUp() {
    // Nothing else may be commanded before it, so that the next request cut off is the one that it was for.
    simulator.recover();
    simulator.hangUp({ when: 'after' });
    void simulator
      .nextRequest(({ status }) => status === 0)
      .then(({ connection, at }) => hangUps.push({ connection, at }));
  },

  hangUps: () => hangUps,

  /** How many connections it has taken. */
  connections: () => simulator.connections,
};

export type SimulatorFunctions = typeof functions;

serve(functions);
