/** Opens .p12 files. Source: RFC 7292. */
import { ApnsdError, CredentialsError } from '../../errors.js';
import { type Asn1, children, objectId, octets, readAsn1 } from './asn1.js';
import { checkSize } from './contents.js';
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

/** Version 3, and the structure behind it: what a .p12 that was cut off still has. */
const beginning = Buffer.of(0x02, 0x01, 0x03, 0x30);
const longestHeader = 6;

/**
 * Its MAC is passed over: a wrong passphrase shows at once all the same, whether key and certificate are a pair is
 * checked later, and so a file with a MAC of tomorrow opens too.
 *
 * @param name what errors call the file
 * @param signal ends the waiting for keys derived from the passphrase
 * @throws CredentialsError, or OverloadedError where too many wait for that already
 */
export async function openPkcs12(
  name: string,
  bytes: Buffer,
  passphrase: string | undefined,
  signal?: AbortSignal,
): Promise<Pkcs12> {
  const opened: Pkcs12 = { certificates: [], keys: [] };
  const decryption = new Decryption(name, passphrase ?? '', signal);
  const safe = readSafe();
  try {
    for (const content of safe) {
      for (const bag of children(readAsn1(await contentOf(content)))) await readBag(bag);
    }
  } catch (error) {
    if (error instanceof ApnsdError) throw error;
    throw cantOpen();
  }
  return opened;

  function cantOpen(): CredentialsError {
    const how = passphrase === undefined ? 'without a passphrase' : 'with this passphrase';
    return new CredentialsError(`${name} can't be opened ${how}, or is damaged`);
  }

  function readSafe(): Asn1[] {
    try {
      const [version, content] = children(readAsn1(bytes));
      const [type, explicit] = children(content);
      if (octets(version).equals(Buffer.of(3)) && objectId(type) === contentType.data) {
        return children(readAsn1(octets(children(explicit)[0])));
      }
    } catch {
      // The parser's reason says nothing to somebody who took the wrong file.
    }
    const at = bytes.indexOf(beginning);
    if (at > 0 && at <= longestHeader) throw cantOpen();
    throw new CredentialsError(`${name} is neither PEM text nor a .p12 file`);
  }

  async function contentOf(node: Asn1): Promise<Buffer> {
    const [type, explicit] = children(node);
    const [content] = children(explicit);
    if (objectId(type) === contentType.data) return octets(content);
    if (objectId(type) !== contentType.encryptedData) return Buffer.alloc(0);
    const [, encryptedContent] = children(content);
    const [, algorithm, encrypted] = children(encryptedContent);
    return decryption.decrypt(algorithm, octets(encrypted));
  }

  async function readBag(bag: Asn1): Promise<void> {
    checkSize(name, opened.certificates.length + opened.keys.length, bytes.length);
    const [type, explicit] = children(bag);
    const [value] = children(explicit);
    switch (objectId(type)) {
      case bagType.key:
        if (value) opened.keys.push(value.bytes);
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
