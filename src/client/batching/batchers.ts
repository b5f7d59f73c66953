/** The batchers of a client: for each session and app one a queue. */
import { PlainJson } from '../../rpc/json.js';
import type { Settings } from '../config/settings.js';
import type { DaemonSession } from '../healing/daemon-session.js';
import type { RequestOptions } from '../xmlrpc/request-options.js';
import type { BatchMember } from './batch.js';
import { Batcher } from './batcher.js';

/**
 * None waits for another: a notification of its own not for a thousand of notifyMany, and neither for one that Apple
 * keeps waiting.
 */
export type QueueName = 'single' | 'many' | 'pending';

type AppBatchers = Record<QueueName, Batcher>;

export class Batchers {
  readonly #settings: () => Settings;
  readonly #currentSession: (appId: string) => DaemonSession | undefined;
  readonly #batchers = new WeakMap<DaemonSession, Map<string, AppBatchers>>();

  constructor(
    settings: () => Settings,
    currentSession: (appId: string) => DaemonSession | undefined,
  ) {
    this.#settings = settings;
    this.#currentSession = currentSession;
  }

  /** The member hears what becomes of it. */
  add(session: DaemonSession, queue: QueueName, member: BatchMember): void {
    this.#batchersOf(member.appId, session)[queue].add(member);
  }

  #batchersOf(appId: string, session: DaemonSession): AppBatchers {
    const known = this.#batchers.get(session)?.get(appId);
    if (known) return known;
    const deps = {
      isCurrent: () => this.#currentSession(appId) === session,
      send: (text: string, options: RequestOptions) =>
        session.transport.call('apnsd.send', [appId, new PlainJson(text)], options),
      timeoutMs: () => this.#settings().timeoutMs,
    };
    const made = { single: new Batcher(deps), many: new Batcher(deps), pending: new Batcher(deps) };
    const apps = this.#batchers.get(session) ?? new Map<string, AppBatchers>();
    this.#batchers.set(session, apps.set(appId, made));
    return made;
  }
}
