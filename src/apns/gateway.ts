/** Where Apple listens, by environment. Source: Apple, "Establishing a connection to APNs". */
import { InvalidEnvironmentError } from '../errors.js';

export type Environment = 'sandbox' | 'production';

export type Gateways = Readonly<Record<Environment, string>>;

export const appleGateways: Gateways = {
  sandbox: 'https://api.sandbox.push.apple.com:443',
  production: 'https://api.push.apple.com:443',
};

/** @throws InvalidEnvironmentError */
export function checkEnvironment(environment: unknown): Environment {
  if (environment === 'sandbox' || environment === 'production') return environment;
  // No more of it is shown: a caller that mixed up its parameters sent a key here.
  const shown =
    typeof environment === 'string' ? JSON.stringify(environment.slice(0, 16)) : typeof environment;
  throw new InvalidEnvironmentError(`environment is ${shown}, expected "sandbox" or "production"`);
}
