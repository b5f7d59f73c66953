/** Opens .p12 files. Source: RFC 7292. */
import { CredentialsError } from '../errors.js';
import { type Asn1, children, loadForge, octets } from './asn1.js';
import { Decryption } from './decryption.js';

/** Both as DER, keys as PKCS#8. */
export interface Pkcs12 {
  certificates: Buffer[];
  keys: Buffer[];
}

const contentType = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
};
const bagType = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
};

/**
 * Its MAC is passed over: a wrong passphrase shows at once all the same, whether key and certificate are a pair is
 * checked later, and so a file with a MAC of tomorrow opens too.
 *
 * @param name what errors call the file
 * @throws CredentialsError
 */
export async function openPkcs12(
  name: string,
  bytes: Buffer,
  passphrase: string | undefined,
): Promise<Pkcs12> {
  const { asn1 } = await loadForge();
  const opened: Pkcs12 = { certificates: [], keys: [] };
  const decryption = new Decryption(name, passphrase ?? '');
  const safe = readSafe();
  try {
    for (const content of safe) {
      for (const bag of children(parse(await contentOf(content)))) await readBag(bag);
    }
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    const how = passphrase === undefined ? 'without a passphrase' : 'with this passphrase';
    throw new CredentialsError(`${name} can't be opened ${how}, or is damaged`);
  }
  return opened;

  function parse(der: Buffer): Asn1 {
    // Not strict: BER, in which Keychain and Firefox write.
    return asn1.fromDer(der.toString('binary'), false);
  }

  function idOf(node: Asn1 | undefined): string {
    return asn1.derToOid(octets(node).toString('binary'));
  }

  function readSafe(): Asn1[] {
    try {
      const [version, content] = children(parse(bytes));
      const [type, explicit] = children(content);
      if (octets(version).equals(Buffer.of(3)) && idOf(type) === contentType.data) {
        return children(parse(octets(children(explicit)[0])));
      }
    } catch {
      // The parser's reason says nothing to somebody who took the wrong file.
    }
    throw new CredentialsError(`${name} is neither PEM text nor a .p12 file`);
  }

  async function contentOf(node: Asn1): Promise<Buffer> {
    const [type, explicit] = children(node);
    const [content] = children(explicit);
    if (idOf(type) === contentType.data) return octets(content);
    if (idOf(type) !== contentType.encryptedData) return Buffer.alloc(0);
    const [, encryptedContent] = children(content);
    const [, algorithm, encrypted] = children(encryptedContent);
    return decryption.decrypt(algorithm, octets(encrypted));
  }

  async function readBag(bag: Asn1): Promise<void> {
    const [type, explicit] = children(bag);
    const [value] = children(explicit);
    switch (idOf(type)) {
      case bagType.key:
        if (value) opened.keys.push(Buffer.from(asn1.toDer(value).getBytes(), 'binary'));
        break;
      case bagType.shroudedKey: {
        const [algorithm, encrypted] = children(value);
        opened.keys.push(await decryption.decrypt(algorithm, octets(encrypted)));
        break;
      }
      case bagType.certificate:
        opened.certificates.push(octets(children(children(value)[1])[0]));
        break;
    }
  }
}
