/** Reads the daemon's lists of dead tokens, acknowledging each list by the call after it. */
import { ProtocolError } from '../errors.js';
import type { FeedbackResult } from '../rpc/methods.js';
import type { Footing } from './footing.js';
import { feedbackEntries } from './pyapns.js';
import type { AttemptOptions } from './transport.js';

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
    { footing, ...attempt }: AttemptOptions & { footing: Footing },
  ): Promise<DeadToken[]> {
    const { transport } = footing;
    return footing.either(
      async () => {
        const params = [appId, this.#cursors.get(appId) ?? ''];
        return this.#take(appId, await transport.call('apnsd.feedback', params, attempt));
      },
      async () => feedbackEntries(await transport.call('feedback', [appId], attempt)),
    );
  }

  #take(appId: string, answer: unknown): DeadToken[] {
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
