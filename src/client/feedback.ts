/** Reads the daemon's lists of dead tokens, acknowledging each list by the call after it. */
import { ProtocolError } from '../errors.js';
import type { FeedbackResult } from '../rpc/methods.js';
import type { AttemptOptions, Transport } from './transport.js';

export interface DeadToken {
  token: string;
  /** Since when Apple knows that the app is gone from the device. */
  unregisteredAt: Date;
}

export class FeedbackLists {
  /** By app: what acknowledges the list that was read last. */
  readonly #cursors = new Map<string, string>();

  async read(
    appId: string,
    { transport, ...attempt }: AttemptOptions & { transport: Transport },
  ): Promise<DeadToken[]> {
    const params = [appId, this.#cursors.get(appId) ?? ''];
    const answer = await transport.call('apnsd.feedback', params, attempt);
    const { entries, cursor }: Partial<FeedbackResult> = Object(answer);
    if (!Array.isArray(entries) || typeof cursor !== 'string') {
      throw new ProtocolError('apnsd.feedback answered no struct of entries and cursor');
    }
    this.#cursors.set(appId, cursor);
    return entries.map(({ token, unregisteredAt }) => ({
      token,
      unregisteredAt: new Date(unregisteredAt),
    }));
  }
}
