/** Provider tokens: signed once per (team, key) and shared by all apps and connections. Source: Apple, "Establishing a token-based connection to APNs". */
import { createHash, type KeyObject, sign } from 'node:crypto';

/** Apple refuses tokens over an hour old, and new ones within 20 minutes. */
const renewAfterMs = 45 * 60 * 1000;

interface Signed {
  bearer: string;
  signedAt: number;
}

export interface TokenKey {
  key: KeyObject;
  keyId: string;
  teamId: string;
}

export class ProviderTokens {
  readonly #signed = new Map<string, Signed>();
  readonly #now: () => number;

  /** @param now UNIX milliseconds */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** A function that gives the `authorization` header's value, renewed when it is due. */
  for(tokenKey: TokenKey): () => string {
    const der = tokenKey.key.export({ format: 'der', type: 'pkcs8' });
    const keyDigest = createHash('sha256').update(der).digest('hex');
    const name = `${tokenKey.teamId} ${tokenKey.keyId} ${keyDigest}`;
    return () => {
      const now = this.#now();
      const last = this.#signed.get(name);
      // One from the future was signed before the clock was set back: nobody knows how old it is.
      if (last && now >= last.signedAt && now - last.signedAt < renewAfterMs) return last.bearer;
      const bearer = `bearer ${signToken(tokenKey, now)}`;
      this.#signed.set(name, { bearer, signedAt: now });
      return bearer;
    };
  }
}

function signToken({ key, keyId, teamId }: TokenKey, now: number): string {
  const header = encode({ alg: 'ES256', kid: keyId });
  const claims = encode({ iss: teamId, iat: Math.floor(now / 1000) });
  const signed = `${header}.${claims}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
