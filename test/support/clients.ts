/** Clients of scripted daemons, with pauses that a test can wait for. */
import { createClient, type Options } from '../../src/index.js';
import { Fault } from '../../src/rpc/faults.js';
import { acceptAll, goodDaemon, type Script, type ScriptedDaemon } from './scripted-daemon.js';

export const token = 'ab'.repeat(32);
export const app = {
  appId: 'A',
  cert: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----',
  environment: 'sandbox',
} as const;

export function clientOf(host: string, options: Options = {}) {
  const retry = { firstDelayMs: 5, factor: 2, maxDelayMs: 40 };
  return createClient({ host, initial: [app], retry, ...options });
}

/** A daemon that has forgotten its apps until it is provisioned. */
export function forgetful(fault: number): Script & { forget: () => void } {
  const known = new Set<unknown>();
  const script: Script = (call, response) => {
    if (call.method === 'apnsd.provision') known.add(Object(call.params[0]).appId);
    if (call.method === 'apnsd.send' && !known.has(call.params[0])) {
      return new Fault(fault, 'who is that?');
    }
    return goodDaemon(call, response);
  };
  return Object.assign(script, { forget: () => known.clear() });
}

/** Does otherwise at one method. */
export function except(method: string, script: Script, others: Script = goodDaemon): Script {
  return (call, response) => (call.method === method ? script : others)(call, response);
}

/** Answers nothing. */
export const silence: Script = () => undefined;

/** Hangs up without an answer. */
export const cut: Script = (_, response) => void response.destroy();

/** Ids of the notifications that came, in order, repeats included. */
export function sentIds({ calls }: ScriptedDaemon): string[] {
  const sends = calls.filter(({ method }) => method === 'apnsd.send');
  return sends.flatMap((call) => JSON.parse(acceptAll(call)).map(({ id }: { id: string }) => id));
}

/** How many notifications go at once, by the client's own limits: 32 requests of 200. */
export const mostAtOnce = 6400;

export function countOf(methods: string[], method: string): number {
  return methods.filter((name) => name === method).length;
}

/** Looks at every turn; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

/** A script that answers as another does, once it is let. */
export function held(script: Script): Script & { release: () => void } {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return Object.assign<Script, { release: () => void }>(
    async (call, response) => {
      await released;
      return script(call, response);
    },
    { release },
  );
}
