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
  loading ??= load().then(
    (debug) => {
      loaded = debug;
    },
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

/**
 * The copy that the app has, so that what the app enables at run time counts. It may be out of reach: no descriptor is
 * free, or a bundle in ESM holds it, where it can't require what it needs of Node. The build has another one inside.
 */
async function load() {
  const { default: debug } = await import('debug').catch(() => import('debug/src/index.js'));
  return debug;
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
      // Nowhere to write it: the client's call, which waits for the package as well, ends with this error.
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
