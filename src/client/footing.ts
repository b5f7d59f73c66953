/** What an attempt stands on; what it saw fail is compared, by identity, with what stands now. */
import type { Transport } from './transport.js';

export interface Footing {
  readonly transport: Transport;
  /** How many outages and hosts there had been. */
  readonly era: number;
}
