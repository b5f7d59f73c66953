/** Lines for the package `debug`, which is loaded at the first of them: it takes as long as half of the import would. */
import { createRequire } from 'node:module';
import type { Debugger } from 'debug';

export interface Debug {
  (format: string, ...values: unknown[]): void;
  readonly enabled: boolean;
}

const require = createRequire(import.meta.url);

export function createDebug(name: string): Debug {
  let loaded: Debugger | undefined;
  const load = (): Debugger => {
    loaded ??= require('debug')(name) as Debugger;
    return loaded;
  };
  const debug = (format: string, ...values: unknown[]) => load()(format, ...values);
  return Object.defineProperty(debug, 'enabled', { get: () => load().enabled }) as Debug;
}
