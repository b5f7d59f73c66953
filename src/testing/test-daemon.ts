/** A working daemon in one line, for an app's own tests. */
import { createDaemon, type DaemonOptions } from '../daemon/daemon.js';
import { createSimulator, type Simulator, type SimulatorOptions } from './simulator.js';

export interface TestDaemonOptions {
  simulator?: SimulatorOptions;
  /** Beside `gateways` and `ca`, which are the simulator's. */
  daemon?: Omit<DaemonOptions, 'gateways' | 'ca'>;
}

export interface TestDaemon {
  /** For the client's `host`. */
  host: string;
  /** For the client's `initial`: one app, named as the simulator's first topic, with a certificate. */
  initial: { appId: string; cert: string; environment: 'sandbox' | 'production' }[];
  simulator: Simulator;
  /** Ends both. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a simulator and a daemon that pushes to it, on free ports of 127.0.0.1. */
export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const simulator = await createSimulator(options.simulator);
  const daemon = await createDaemon({
    listen: '127.0.0.1:0',
    ...options.daemon,
    gateways: { [simulator.environment]: simulator.url },
    ca: simulator.ca,
  }).catch(async (error) => {
    await simulator.close();
    throw error;
  });
  const close = async () => {
    await daemon.close();
    await simulator.close();
  };
  const { certificate: cert, environment, key } = simulator;
  return {
    host: daemon.url,
    initial: [{ appId: key.topic, cert, environment }],
    simulator,
    close,
    [Symbol.asyncDispose]: close,
  };
}
