/**
 * Makes a private key of DER. What it is made of is looked at first: OpenSSL takes a minute and a half to read a DSA
 * key of 43 kB, and signs as long with an RSA key of numbers without measure.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { CredentialsError } from '../../errors.js';
import { type Asn1, children, objectId, octets, readAsn1, tags } from './asn1.js';

export type PrivateKeyForm = 'pkcs8' | 'pkcs1' | 'sec1';

/** A signature with such a key takes some 50 ms. */
const maxRsaBits = 8192;
/** A number has a zero in front where it would look negative. */
const maxRsaBytes = maxRsaBits / 8 + 1;

const ec = '1.2.840.10045.2.1';
const rsa: ReadonlySet<string> = new Set(['1.2.840.113549.1.1.1', '1.2.840.113549.1.1.10']);
/** Ed25519 and Ed448. */
const edwards: ReadonlySet<string> = new Set(['1.3.101.112', '1.3.101.113']);

/**
 * @param name what errors call it
 * @throws CredentialsError for a kind of key that is not taken, another Error for what is no key
 */
export function privateKeyFrom(name: string, der: Buffer, form: PrivateKeyForm): KeyObject {
  const node = readAsn1(der);
  const problem = form === 'pkcs8' ? pkcs8Problem(node) : problemOf(form, node);
  if (problem !== undefined) throw new CredentialsError(`${name} ${problem}`);
  return createPrivateKey({ key: node.bytes, format: 'der', type: form });
}

/** RFC 5958. */
function pkcs8Problem(node: Asn1): string | undefined {
  const [version, algorithm, key] = children(node);
  // OpenSSL would take it for an encrypted key.
  if (version?.tag !== tags.integer) throw new Error('no version');
  const [id, parameters] = children(algorithm);
  const name = objectId(id);
  if (edwards.has(name)) return undefined;
  if (rsa.has(name)) return problemOf('pkcs1', readAsn1(octets(key)));
  if (name !== ec) return `is of the algorithm ${name || 'unknown'}, expected RSA or EC`;
  return curveProblem(parameters) ?? problemOf('sec1', readAsn1(octets(key)));
}

function problemOf(form: 'pkcs1' | 'sec1', node: Asn1): string | undefined {
  const members = children(node);
  if (form === 'sec1') {
    // RFC 5915: the curve may stand here too.
    const explicit = members.find(({ tag }) => tag === tags.zero);
    return explicit && curveProblem(children(explicit)[0]);
  }
  // RFC 8017: version, modulus, two exponents, and what comes of two primes.
  const fits = members.every(
    ({ tag, contents }) => tag === tags.integer && contents.length <= maxRsaBytes,
  );
  if (fits) return undefined;
  return `is an RSA key of numbers over ${maxRsaBits} bits, or of more than two primes`;
}

function curveProblem(curve: Asn1 | undefined): string | undefined {
  if (curve?.tag === tags.objectId) return undefined;
  return 'is an EC key whose curve has no name, expected EC P-256';
}
