/** Lines of the package `debug`, which is loaded at the first call: an app's start is not to wait for it. */
import type { Debugger } from 'debug';

export interface Debug {
  (format: string, ...values: unknown[]): void;
  /** True until the package is there, since nobody knows. */
  readonly enabled: boolean;
}

let loaded: typeof import('debug') | undefined;
let loading: Promise<void> | undefined;

export function loadDebug(): Promise<void> {
  loading ??= import('debug').then((it) => {
    loaded = it.default;
  });
  return loading;
}

/** Lines by this name; those from before the package is there wait for it. */
export function createDebug(name: string): Debug {
  let made: Debugger | undefined;
  const lines = () => {
    made ??= loaded?.(name);
    return made;
  };
  const debug = (format: string, ...values: unknown[]) => {
    const write = lines();
    if (write) return write(format, ...values);
    loadDebug().then(
      () => debug(format, ...values),
      // The call that the line is about ends with this error: it waits for the package as well.
      () => undefined,
    );
  };
  const enabled = () => {
    const write = lines();
    // Without DEBUG in the environment the package says undefined.
    return write ? Boolean(write.enabled) : true;
  };
  return Object.defineProperty(debug, 'enabled', { get: enabled }) as Debug;
}
