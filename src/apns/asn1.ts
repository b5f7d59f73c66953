/** Reading ASN.1 by node-forge. */
import type { asn1 } from 'node-forge';

export type Asn1 = asn1.Asn1;

/**
 * The parts of node-forge that reading takes: a third of its files, and none that requires anything of Node, which a
 * bundle in ESM could not. The daemon loads them at its start: Node keeps the failure of an import for good, and later there
 * may be no descriptor free.
 */
export async function loadForge() {
  const [{ default: asn1 }, { default: rc2 }, { default: util }] = await Promise.all([
    import('node-forge/lib/asn1.js'),
    import('node-forge/lib/rc2.js'),
    import('node-forge/lib/util.js'),
  ]);
  return { asn1, rc2, util };
}

/** The members of a structure; none of anything else. */
export function children(node: Asn1 | undefined): Asn1[] {
  return node && typeof node.value !== 'string' ? node.value : [];
}

/** The bytes of a string, also of one that was written in pieces. */
export function octets(node: Asn1 | undefined): Buffer {
  if (typeof node?.value === 'string') return Buffer.from(node.value, 'binary');
  return Buffer.concat(children(node).map(octets));
}
