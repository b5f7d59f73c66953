/** What Apple makes of a provider token. Source: Apple, "Establishing a token-based connection to APNs". */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Environment, ProviderKey } from './authority.js';
import type { Identity, Refusal } from './checks.js';

const maxAgeMs = 60 * 60 * 1000;
/** How far a provider's clock may run ahead; Apple does not tell its own figure. */
const maxSkewMs = 60 * 1000;
/** A signature costs 100 µs to check, and a sender uses one token for most of an hour. */
const remembered = 100;

interface SignedToken {
  key: ProviderKey;
  /** UNIX milliseconds. */
  issuedAt: number;
}

const invalid: Refusal = { status: 403, reason: 'InvalidProviderToken' };

export class ProviderTokens {
  readonly #keys = new Map<string, { key: ProviderKey; publicKey: KeyObject }>();
  readonly #signed = new Map<string, SignedToken>();

  get keys(): ProviderKey[] {
    return [...this.#keys.values()].map(({ key }) => key);
  }

  accept(key: ProviderKey): void {
    this.#keys.set(key.keyId, { key, publicKey: createPublicKey(key.key) });
  }

  /** From now on its tokens are InvalidProviderToken. */
  revoke(keyId: string): void {
    this.#keys.delete(keyId);
    this.#signed.clear();
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
    const token = this.#signed.get(authorization) ?? this.#read(authorization);
    if (!token || token.issuedAt > now + maxSkewMs) return invalid;
    if (token.issuedAt < now - maxAgeMs) return { status: 403, reason: 'ExpiredProviderToken' };
    const { key } = token;
    if (key.environment !== 'both' && key.environment !== environment) {
      return { status: 403, reason: 'BadEnvironmentKeyInToken' };
    }
    return { kind: 'token', topics: key.topics, keyId: key.keyId };
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
    if (this.#signed.size >= remembered) this.#signed.clear();
    const token = { key: known.key, issuedAt: iat * 1000 };
    this.#signed.set(authorization, token);
    return token;
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
