/** What Apple makes of a client certificate. */
import type { X509Certificate } from 'node:crypto';
import type { Authority, Environment } from './authority.js';
import type { Identity, Refusal } from './checks.js';

/** A connection's client certificate, read once. */
export interface ClientCertificate {
  /** Signed by the simulator's authority, with a topic. */
  genuine: boolean;
  /** UNIX milliseconds. */
  validFrom: number;
  validTo: number;
  /** The subject's UID. */
  topic: string;
  /** Whether it lists several topics, so that a request has to choose. */
  listsTopics: boolean;
  sandbox: boolean;
  production: boolean;
}

// Each of Apple's object identifiers as DER has it: the common start, then the last number.
const prefix = [0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x63, 0x64, 0x06, 0x03];
const development = Buffer.from([...prefix, 1]);
const production = Buffer.from([...prefix, 2]);
const topicList = Buffer.from([...prefix, 6]);

export function readClientCertificate(
  certificate: X509Certificate,
  authority: Authority,
): ClientCertificate {
  const topic = /^UID=(.+)$/m.exec(certificate.subject)?.[1] ?? '';
  return {
    genuine: topic !== '' && authority.signed(certificate),
    validFrom: Date.parse(certificate.validFrom),
    validTo: Date.parse(certificate.validTo),
    topic,
    listsTopics: certificate.raw.includes(topicList),
    sandbox: certificate.raw.includes(development),
    production: certificate.raw.includes(production),
  };
}

/** @param now UNIX milliseconds */
export function judgeCertificate(
  certificate: ClientCertificate,
  environment: Environment,
  now: number,
): Identity | Refusal {
  const { genuine, validFrom, validTo, topic, listsTopics } = certificate;
  if (!genuine || now < validFrom || now > validTo)
    return { status: 403, reason: 'BadCertificate' };
  // One with neither of Apple's extensions says nothing of its environment, so nothing is wrong with it.
  const says = certificate.sandbox || certificate.production;
  if (says && !certificate[environment]) {
    return { status: 403, reason: 'BadCertificateEnvironment' };
  }
  return { kind: 'certificate', topics: [topic], ...(listsTopics ? {} : { defaultTopic: topic }) };
}
