/** Shares requests of `apnsd.send` between calls of the same app on the same footing. */
import { PlainJson } from '../../rpc/json.js';
import type { WrittenAnswer } from '../../rpc/methods.js';
import type { Call } from '../calls/call.js';
import type { Settings } from '../config/settings.js';
import type { Footing } from '../healing/daemon-session.js';
import type { Member } from './batch.js';
import { Lane, type Route } from './batcher.js';
import type { Letter } from './send-codec.js';

/**
 * None waits for another: a notification of its own not for a thousand others, and neither for one that Apple keeps
 * waiting.
 */
export type LaneName = 'single' | 'many' | 'pending';

type Lanes = Record<LaneName, Lane>;

export class Sharing {
  readonly #settings: () => Settings;
  readonly #standing: (appId: string) => Footing | undefined;
  readonly #lanes = new WeakMap<Footing, Map<string, Lanes>>();

  constructor(settings: () => Settings, standing: (appId: string) => Footing | undefined) {
    this.#settings = settings;
    this.#standing = standing;
  }

  /** The member is told what becomes of it. */
  join(footing: Footing, lane: LaneName, member: Member): void {
    this.#lanesOf(member.call.appId, footing)[lane].join(member);
  }

  /**
   * Resolves with the notification's own answer; with undefined where it did not leave, since its footing was lost.
   * @throws ApnsdError where its request had no answer
   */
  send(
    footing: Footing,
    lane: LaneName,
    call: Call,
    letter: Letter,
  ): Promise<WrittenAnswer | undefined> {
    return call.wait((answered, failed) => {
      const member: Member = { call, letter, answered, failed, left: undefined };
      this.join(footing, lane, member);
      return () => member.left?.();
    });
  }

  #lanesOf(appId: string, footing: Footing): Lanes {
    const known = this.#lanes.get(footing)?.get(appId);
    if (known) return known;
    const route: Route = {
      stands: () => this.#standing(appId) === footing,
      send: (text, options) =>
        footing.transport.call('apnsd.send', [appId, new PlainJson(text)], options),
      timeoutMs: () => this.#settings().timeoutMs,
    };
    const lanes = { single: new Lane(route), many: new Lane(route), pending: new Lane(route) };
    const apps = this.#lanes.get(footing) ?? new Map();
    this.#lanes.set(footing, apps.set(appId, lanes));
    return lanes;
  }
}
