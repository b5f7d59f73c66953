/** What Apple makes of a provider token. Source: Apple, "Establishing a token-based connection to APNs". */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Environment, ProviderKey } from './authority.js';
import type { Identity, Refusal } from './checks.js';

const maxAgeMs = 60 * 60 * 1000;
/** How far a provider's clock may run ahead; Apple does not tell its own figure. */
const maxSkewMs = 60 * 1000;
/** Apple wants a provider to sign no more often. */
const updatePeriodMs = 20 * 60 * 1000;
/**
 * So many tokens of one key may be used for one request each within that time. Apple tells no figure, and counts in
 * ways of its own; whoever uses a token again, be it a restarted process or one of many, is never refused here.
 */
const maxUsedOnce = 10;
/** A signature costs 100 µs to check, and a sender uses one token for most of an hour. */
const remembered = 1000;

interface SignedToken {
  key: ProviderKey;
  /** UNIX milliseconds. */
  issuedAt: number;
}

/** A token that has been taken. */
interface KnownToken extends SignedToken {
  /** UNIX milliseconds of its first request. */
  since: number;
  usedOnce: boolean;
}

const invalid: Refusal = { status: 403, reason: 'InvalidProviderToken' };

export class ProviderTokens {
  readonly #keys = new Map<string, { key: ProviderKey; publicKey: KeyObject }>();
  /** By `authorization`, oldest first. */
  readonly #known = new Map<string, KnownToken>();

  get keys(): ProviderKey[] {
    return [...this.#keys.values()].map(({ key }) => key);
  }

  accept(key: ProviderKey): void {
    this.#keys.set(key.keyId, { key, publicKey: createPublicKey(key.key) });
  }

  /** From now on its tokens are InvalidProviderToken. */
  revoke(keyId: string): void {
    this.#keys.delete(keyId);
    this.#known.clear();
  }

  /**
   * @param authorization the header's value
   * @param now UNIX milliseconds
   */
  judge(
    authorization: string | undefined,
    environment: Environment,
    now: number,
  ): Identity | Refusal {
    if (!authorization) return { status: 403, reason: 'MissingProviderToken' };
    const known = this.#known.get(authorization);
    const token = known ?? this.#read(authorization);
    if (!token || token.issuedAt > now + maxSkewMs) return invalid;
    if (token.issuedAt < now - maxAgeMs) return { status: 403, reason: 'ExpiredProviderToken' };
    const { key } = token;
    if (key.environment !== 'both' && key.environment !== environment) {
      return { status: 403, reason: 'BadEnvironmentKeyInToken' };
    }
    if (known) {
      known.usedOnce = false;
    } else if (this.#usedOnce(key, now) >= maxUsedOnce) {
      return { status: 429, reason: 'TooManyProviderTokenUpdates' };
    } else {
      this.#remember(authorization, { ...token, since: now, usedOnce: true });
    }
    return { kind: 'token', topics: key.topics, keyId: key.keyId };
  }

  /** How many of the key's tokens came within the last 20 minutes and were never used again. */
  #usedOnce(key: ProviderKey, now: number): number {
    return [...this.#known.values()].filter(
      (one) => one.key === key && one.usedOnce && one.since > now - updatePeriodMs,
    ).length;
  }

  #remember(authorization: string, token: KnownToken): void {
    this.#known.set(authorization, token);
    const [oldest = ''] = this.#known.keys();
    if (this.#known.size > remembered) this.#known.delete(oldest);
  }

  #read(authorization: string): SignedToken | undefined {
    const jwt = /^bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/i.exec(authorization);
    if (!jwt) return undefined;
    const [, head = '', body = '', signature = ''] = jwt;
    const { alg, kid } = decode(head);
    const { iss, iat } = decode(body);
    const known = typeof kid === 'string' ? this.#keys.get(kid) : undefined;
    if (alg !== 'ES256' || !known || iss !== known.key.teamId) return undefined;
    if (typeof iat !== 'number' || !Number.isFinite(iat)) return undefined;
    const signed = Buffer.from(`${head}.${body}`);
    if (!isSignedBy(known.publicKey, signed, Buffer.from(signature, 'base64url'))) return undefined;
    return { key: known.key, issuedAt: iat * 1000 };
  }
}

/** RFC 7515 wants r and s side by side; Apple takes DER too, which openssl and Java sign in. */
function isSignedBy(key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  return (['ieee-p1363', 'der'] as const).some((dsaEncoding) =>
    verify('sha256', signed, { key, dsaEncoding }, signature),
  );
}

/** A part of a JWT; what is no JSON object has no members. */
function decode(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
