/** The secrets that callers may show, by HTTP's Basic authentication. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../errors.js';

export class Secrets {
  /** Digests are of one length whatever the secret's, so that comparing them tells nothing. */
  readonly #key = randomBytes(32);
  readonly #digests: Buffer[] = [];

  /**
   * @param lines `user:secret` each; empty ones are passed over
   * @throws ConfigError that never shows a secret
   */
  constructor(lines: readonly string[]) {
    for (const [position, line] of lines.entries()) {
      if (line.trim() === '') continue;
      if (!/^[^:]+:./.test(line)) {
        throw new ConfigError(`secrets[${position}] is no user:secret`);
      }
      this.#digests.push(this.#digest(Buffer.from(line)));
    }
    if (this.#digests.length === 0) {
      throw new ConfigError('secrets is empty, expected at least one user:secret');
    }
  }

  /** Whether a request's `Authorization` shows one of them. */
  admit(authorization: string | undefined): boolean {
    const [, shown] = /^Basic +([\w+/=-]+) *$/i.exec(authorization ?? '') ?? [];
    const digest = this.#digest(Buffer.from(shown ?? '', 'base64'));
    // All are compared, so that the time tells not even which.
    return this.#digests.filter((known) => timingSafeEqual(known, digest)).length > 0;
  }

  #digest(secret: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(secret).digest();
  }
}
