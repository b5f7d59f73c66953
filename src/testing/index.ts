/** What tests import from `apnsd/testing`, by name; no logic. */
export {
  Authority,
  type CertificateWish,
  createAuthority,
  createProviderKey,
  type Environment,
  type ProviderKey,
} from './authority.js';
export type { Answer, Limit, When } from './commands.js';
export type { GoAway } from './connection.js';
export type { RecordedRequest } from './records.js';
export {
  createSimulator,
  type Simulator,
  type SimulatorCredentials,
  type SimulatorOptions,
} from './simulator.js';
export { startTestDaemon, type TestDaemon, type TestDaemonOptions } from './test-daemon.js';
