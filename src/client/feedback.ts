/** Reads the daemon's lists of dead tokens, acknowledging each list by the call after it. */
import { ProtocolError } from '../errors.js';
import type { FeedbackResult } from '../rpc/methods.js';
import type { DaemonSession } from './healing/daemon-session.js';
import { feedbackEntries } from './xmlrpc/pyapns.js';
import type { RequestOptions } from './xmlrpc/request-options.js';

export interface DeadToken {
  token: string;
  /** Since when Apple knows that the app is gone from the device. */
  unregisteredAt: Date;
}

/** A list and what acknowledges it; a daemon with pyapns's methods only has handed its list out for good. */
export interface FeedbackList {
  dead: DeadToken[];
  cursor?: string;
}

export class FeedbackLists {
  /** By app: what acknowledges the list that its caller got last. */
  readonly #cursors = new Map<string, string>();

  async read(
    appId: string,
    footing: DaemonSession,
    attempt: RequestOptions,
  ): Promise<FeedbackList> {
    const { transport } = footing;
    return footing.callWithFallback<FeedbackList>(
      async () => {
        const params = [appId, this.#cursors.get(appId) ?? ''];
        return readList(await transport.call('apnsd.feedback', params, attempt));
      },
      async () => ({ dead: feedbackEntries(await transport.call('feedback', [appId], attempt)) }),
    );
  }

  /** The caller has the list: the next call acknowledges it. */
  handedOver(appId: string, { dead, cursor }: FeedbackList): DeadToken[] {
    if (cursor !== undefined) this.#cursors.set(appId, cursor);
    return dead;
  }
}

function readList(answer: unknown): FeedbackList {
  const { entries, cursor }: Partial<FeedbackResult> = Object(answer);
  if (!Array.isArray(entries) || typeof cursor !== 'string') {
    throw new ProtocolError('apnsd.feedback answered no struct of entries and cursor');
  }
  const dead = entries.map((entry: unknown) => {
    const { token, unregisteredAt } = Object(entry);
    if (typeof token === 'string' && typeof unregisteredAt === 'number') {
      return { token, unregisteredAt: new Date(unregisteredAt) };
    }
    throw new ProtocolError('apnsd.feedback answered an entry without token and unregisteredAt');
  });
  return { dead, cursor };
}
