/** Shares requests of `apnsd.send` between calls of the same app on the same footing. */
import { PlainJson } from '../../rpc/json.js';
import type { WrittenAnswer } from '../../rpc/methods.js';
import type { Call } from '../calls/call.js';
import type { Settings } from '../config/settings.js';
import type { DaemonSession } from '../healing/daemon-session.js';
import type { Member } from './batch.js';
import { Batcher, type RequestSender } from './batcher.js';
import type { Letter } from './send-codec.js';

/**
 * None waits for another: a notification of its own not for a thousand others, and neither for one that Apple keeps
 * waiting.
 */
export type QueueName = 'single' | 'many' | 'pending';

type AppBatchers = Record<QueueName, Batcher>;

export class Batchers {
  readonly #settings: () => Settings;
  readonly #currentSession: (appId: string) => DaemonSession | undefined;
  readonly #batchers = new WeakMap<DaemonSession, Map<string, AppBatchers>>();

  constructor(settings: () => Settings, standing: (appId: string) => DaemonSession | undefined) {
    this.#settings = settings;
    this.#currentSession = standing;
  }

  /** The member is told what becomes of it. */
  add(footing: DaemonSession, lane: QueueName, member: Member): void {
    this.#batchersOf(member.call.appId, footing)[lane].join(member);
  }

  /**
   * Resolves with the notification's own answer; with undefined where it did not leave, since its footing was lost.
   * @throws ApnsdError where its request had no answer
   */
  send(
    footing: DaemonSession,
    lane: QueueName,
    call: Call,
    letter: Letter,
  ): Promise<WrittenAnswer | undefined> {
    return call.wait((answered, failed) => {
      const member: Member = { call, letter, answered, failed, left: undefined };
      this.add(footing, lane, member);
      return () => member.left?.();
    });
  }

  #batchersOf(appId: string, footing: DaemonSession): AppBatchers {
    const known = this.#batchers.get(footing)?.get(appId);
    if (known) return known;
    const route: RequestSender = {
      isCurrent: () => this.#currentSession(appId) === footing,
      send: (text, options) =>
        footing.transport.call('apnsd.send', [appId, new PlainJson(text)], options),
      timeoutMs: () => this.#settings().timeoutMs,
    };
    const lanes = {
      single: new Batcher(route),
      many: new Batcher(route),
      pending: new Batcher(route),
    };
    const apps = this.#batchers.get(footing) ?? new Map();
    this.#batchers.set(footing, apps.set(appId, lanes));
    return lanes;
  }
}
