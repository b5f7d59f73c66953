/** A caller in a process of its own, so that what others do in theirs does not count: makes good calls, one after the other, and tells how long each took. */
import { setTimeout } from 'node:timers/promises';
import { call } from '../support/calling.js';
import { serve } from '../support/child.js';
import { PAUSE_MS } from './stage.js';

const samples: number[] = [];

const functions = {
  begin(url: string): void {
    void (async () => {
      for (;;) {
        const before = performance.now();
        await call(url, 'system.listMethods');
        samples.push(performance.now() - before);
        await setTimeout(PAUSE_MS);
      }
    })();
  },
  /** What it took so far, each in milliseconds, in their order of time. */
  samples(): number[] {
    return samples;
  },
};

export type Bystander = typeof functions;

serve(functions);
