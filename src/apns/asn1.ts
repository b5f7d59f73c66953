/** Reading ASN.1 by node-forge. */
import type { asn1 } from 'node-forge';

export type Asn1 = asn1.Asn1;

/** Loaded at the first need: the import takes some 60 ms, and token credentials need none of it. */
export async function loadForge() {
  const { default: forge } = await import('node-forge');
  return forge;
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
