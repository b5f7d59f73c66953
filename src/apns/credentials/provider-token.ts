/** Provider tokens: signed once per (team, key) and shared by all apps and connections. Source: Apple, "Establishing a token-based connection to APNs". */
import { createHash, type KeyObject, sign } from 'node:crypto';
import { CredentialsError } from '../../errors.js';

const minute = 60 * 1000;
/** Apple refuses tokens over an hour old. */
const renewAfterMs = 45 * minute;
/** Apple refuses a token that comes sooner after the one before it. */
const leastAgeMs = 20 * minute;
/** A clock that was set back by less is no reason to sign twice within those 20 minutes. */
const maxSkewMs = minute;

export interface TokenKey {
  key: KeyObject;
  keyId: string;
  teamId: string;
}

export class ProviderTokens {
  readonly #tokens = new Map<string, ProviderToken>();
  readonly #now: () => number;

  /** @param now UNIX milliseconds */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The one token of this team and key. */
  for(tokenKey: TokenKey): ProviderToken {
    const der = tokenKey.key.export({ format: 'der', type: 'pkcs8' });
    const keyDigest = createHash('sha256').update(der).digest('hex');
    const name = `${tokenKey.teamId} ${tokenKey.keyId} ${keyDigest}`;
    const token = this.#tokens.get(name) ?? new ProviderToken(tokenKey, this.#now);
    this.#tokens.set(name, token);
    return token;
  }
}

export class ProviderToken {
  readonly #tokenKey: TokenKey;
  readonly #now: () => number;
  #signed: { bearer: string; at: number };

  constructor(tokenKey: TokenKey, now: () => number) {
    this.#tokenKey = tokenKey;
    this.#now = now;
    this.#signed = this.#sign(now());
  }

  /** The `authorization` header's value, renewed when it is due. */
  current(): string {
    const now = this.#now();
    const ageMs = now - this.#signed.at;
    // One from the future was signed before the clock was set back: nobody knows how old it is.
    if (ageMs >= renewAfterMs || ageMs < -maxSkewMs) this.#signed = this.#sign(now);
    return this.#signed.bearer;
  }

  /**
   * Signs again after Apple called a token expired, once for all that were refused with it.
   * @returns what is wrong where the token is too young for that
   */
  signAgain(refused: string): CredentialsError | undefined {
    if (refused !== this.#signed.bearer) return undefined;
    const now = this.#now();
    const ageMs = now - this.#signed.at;
    if (ageMs < leastAgeMs) {
      return new CredentialsError(
        `Apple answered 403 ExpiredProviderToken to a token signed ${Math.round(ageMs / 1000)} seconds ago: the clock of the daemon's machine must be wrong`,
      );
    }
    this.#signed = this.#sign(now);
    return undefined;
  }

  #sign(at: number): { bearer: string; at: number } {
    return { bearer: `bearer ${signToken(this.#tokenKey, at)}`, at };
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
