/** What Apple wrote into a push certificate beside the standard: environments and topics. */
import { type Asn1, children, loadForge } from './asn1.js';
import type { Environment } from './gateway.js';

const development = '1.2.840.113635.100.6.3.1';
const production = '1.2.840.113635.100.6.3.2';
const topicList = '1.2.840.113635.100.6.3.6';

export interface AppleExtensions {
  environments: Set<Environment>;
  /** In the certificate's order; empty where it has no list. */
  topics: Set<string>;
}

/** @param der the certificate, DER */
export async function readAppleExtensions(der: Buffer): Promise<AppleExtensions> {
  const forge = await loadForge();
  const found: AppleExtensions = { environments: new Set(), topics: new Set() };
  const [tbsCertificate] = children(parse(der.toString('binary')));
  const explicit = children(tbsCertificate).find(
    (field) => field.tagClass === forge.asn1.Class.CONTEXT_SPECIFIC && field.type === 3,
  );
  for (const extension of children(children(explicit)[0])) {
    const [id, ...rest] = children(extension);
    if (typeof id?.value !== 'string') continue;
    const oid = forge.asn1.derToOid(id.value);
    if (oid === development) found.environments.add('sandbox');
    if (oid === production) found.environments.add('production');
    const octets = rest.at(-1)?.value;
    if (oid === topicList && typeof octets === 'string') {
      for (const topic of topicsIn(parse(octets))) found.topics.add(topic);
    }
  }
  return found;

  /** What is no DER, or nested beyond measure, has nothing in it that could be read. */
  function parse(bytes: string): Asn1 | undefined {
    try {
      return forge.asn1.fromDer(bytes);
    } catch {
      return undefined;
    }
  }

  // The list's inner layout is not documented: topics are its UTF8Strings that look like one.
  function topicsIn(node: Asn1 | undefined): string[] {
    if (typeof node?.value !== 'string') return children(node).flatMap(topicsIn);
    const isText = node.type === forge.asn1.Type.UTF8;
    return isText && node.value.includes('.') ? [node.value] : [];
  }
}
