/** Decrypts RC2 by node-forge: OpenSSL 3 has put it away, and Keychain writes it. */

import { setImmediate as otherWork } from 'node:timers/promises';

/** forge takes a time that grows with the square of what it gets at once: for so much a millisecond. */
const pieceBytes = 4096;

/**
 * The parts of node-forge that it takes: a few of its files, and none that requires anything of Node, which a bundle in ESM
 * could not. The daemon loads them at its start: Node keeps the failure of an import for good, and later there may be no
 * descriptor free.
 */
export async function loadRc2() {
  const [{ default: rc2 }, { default: util }] = await Promise.all([
    import('node-forge/lib/rc2.js'),
    import('node-forge/lib/util.js'),
  ]);
  return { rc2, util };
}

/** @throws Error where what comes of it does not end as it has to */
export async function decryptRc2(key: Buffer, iv: Buffer, encrypted: Buffer): Promise<Buffer> {
  const { rc2, util } = await loadRc2();
  const decrypted: Buffer[] = [];
  for (let at = 0, start = iv; at < encrypted.length; at += pieceBytes) {
    await otherWork();
    const piece = encrypted.subarray(at, at + pieceBytes);
    const isLast = at + pieceBytes >= encrypted.length;
    const cipher = rc2.createDecryptionCipher(key.toString('binary'), key.length * 8);
    cipher.start(start.toString('binary'));
    cipher.update(util.createBuffer(piece.toString('binary')));
    if (isLast && !cipher.finish()) throw new Error('bad padding');
    decrypted.push(Buffer.from(cipher.output.getBytes(), 'binary'));
    start = piece.subarray(-8);
  }
  return Buffer.concat(decrypted);
}
