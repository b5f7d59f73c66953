/** Self-signed certificates for servers on 127.0.0.1, and for their clients, made when first asked for. */
import { randomBytes } from 'node:crypto';
import forge from 'node-forge';

export interface Pair {
  cert: string;
  key: string;
}

let made: Pair | undefined;

/** The same pair each time: it is its own authority. */
export function certificate(): Pair {
  made ??= makeCertificate();
  return made;
}

function makeCertificate(): Pair {
  const { publicKey, privateKey } = forge.pki.rsa.generateKeyPair(2048);
  const cert = forge.pki.createCertificate();
  cert.publicKey = publicKey;
  cert.serialNumber = `00${randomBytes(8).toString('hex')}`;
  cert.validity.notBefore = new Date(Date.now() - 86_400_000);
  cert.validity.notAfter = new Date(Date.now() + 86_400_000);
  const name = [{ name: 'commonName', value: 'localhost' }];
  cert.setSubject(name);
  cert.setIssuer(name);
  cert.setExtensions([
    { name: 'basicConstraints', cA: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: 2, value: 'localhost' },
        { type: 7, ip: '127.0.0.1' },
      ],
    },
  ]);
  cert.sign(privateKey, forge.md.sha256.create());
  return {
    cert: forge.pki.certificateToPem(cert),
    key: forge.pki.privateKeyToPem(privateKey),
  };
}
