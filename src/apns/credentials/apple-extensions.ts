/** What Apple wrote into a push certificate: the bundle id in its subject, and environments and topics beside the standard. */

import type { Environment } from '../gateway.js';
import { wrongTopic } from '../topic.js';
import { type Asn1, children, objectId, octets, readAsn1, tags } from './asn1.js';

const userId = '0.9.2342.19200300.100.1.1';
const development = '1.2.840.113635.100.6.3.1';
const production = '1.2.840.113635.100.6.3.2';
const topicList = '1.2.840.113635.100.6.3.6';

/** Lists are two deep. */
const maxDepth = 8;

export interface AppleExtensions {
  environments: Set<Environment>;
  /** In the certificate's order; empty where it has no list. */
  topics: Set<string>;
  /** The first one of the subject. */
  uid: string | undefined;
}

/**
 * @param der the certificate, DER
 * @throws Error for what is no certificate
 */
export function readAppleExtensions(der: Buffer): AppleExtensions {
  const [tbsCertificate] = children(readAsn1(der));
  const fields = children(tbsCertificate);
  // Certificates of the first version leave the version out.
  const subject = fields[fields[0]?.tag === tags.zero ? 5 : 4];
  const found: AppleExtensions = {
    environments: new Set(),
    topics: new Set(),
    uid: uidOf(subject),
  };
  const explicit = fields.find(({ tag }) => tag === tags.three);
  for (const extension of children(children(explicit)[0])) {
    const [id, ...rest] = children(extension);
    const name = objectId(id);
    if (name === development) found.environments.add('sandbox');
    if (name === production) found.environments.add('production');
    if (name === topicList) found.topics = readTopics(octets(rest.at(-1)));
  }
  return found;
}

/** Not from node:crypto's text of the subject, which other runtimes write in another way. */
function uidOf(subject: Asn1 | undefined): string | undefined {
  for (const attribute of children(subject).flatMap(children)) {
    const [type, value] = children(attribute);
    if (objectId(type) === userId) return octets(value).toString('utf8');
  }
  return undefined;
}

function readTopics(der: Buffer): Set<string> {
  try {
    return new Set(topicsIn(readAsn1(der)));
  } catch {
    // What is no DER has nothing in it that could be read.
    return new Set();
  }
}

/** The list's inner layout is not documented: topics are its UTF8Strings that look like one. */
function topicsIn(node: Asn1, depth = 0): string[] {
  if (node.tag === tags.utf8String) {
    const text = node.contents.toString('utf8');
    return text.includes('.') && wrongTopic(text).length === 0 ? [text] : [];
  }
  if (depth === maxDepth) throw new Error('the list is too deep');
  return children(node).flatMap((member) => topicsIn(member, depth + 1));
}
