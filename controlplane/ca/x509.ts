// Certificates by @peculiar/x509 on WebCrypto: ours is the only file that knows that library. P-256
// throughout. Source of the rules: RFC 5280, SPIFFE X509-SVID.

import 'reflect-metadata'; // the library's dependency injection needs it first
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signingAlgorithm = { ...keyAlgorithm, hash: 'SHA-256' } as const;

const SERIAL_BYTES = 16;
const EKU_SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const EKU_CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** A certificate with its key, PEM. */
export interface CertifiedKey {
  readonly certificatePem: string;
  /** PKCS #8. Secret. */
  readonly privateKeyPem: string;
}

export interface Validity {
  /** Milliseconds since the Unix epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface LeafRequest extends Validity {
  /** The one URI SAN. */
  readonly spiffeId: string;
  /** Further SANs; only the control plane's own certificate has any. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** A self-signed root that may sign leaves only. */
export async function createRoot(commonName: string, validity: Validity): Promise<CertifiedKey> {
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(validity.notBeforeMs),
    notAfter: new Date(validity.notAfterMs),
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
}

/** Signs leaves with one root. */
export class Signer {
  readonly #issuer: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(issuer: x509.X509Certificate, key: webcrypto.CryptoKey) {
    this.#issuer = issuer;
    this.#key = key;
  }

  static async of(root: CertifiedKey): Promise<Signer> {
    const der = x509.PemConverter.decodeFirst(root.privateKeyPem);
    const key = await webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign']);
    return new Signer(new x509.X509Certificate(root.certificatePem), key);
  }

  /** A new key and a certificate for it: an X509-SVID. */
  async issue(request: LeafRequest): Promise<CertifiedKey> {
    const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
    const names: x509.JsonGeneralName[] = [
      { type: 'url', value: request.spiffeId },
      ...request.dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...request.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      // The identity is the URI; with an empty subject the SAN must be critical (RFC 5280 4.2.1.6).
      subject: '',
      issuer: this.#issuer.subject,
      notBefore: new Date(request.notBeforeMs),
      notAfter: new Date(request.notAfterMs),
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([EKU_SERVER_AUTH, EKU_CLIENT_AUTH]),
        new x509.SubjectAlternativeNameExtension(names, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer.publicKey),
      ],
    });
    return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
  }
}

/** `sha256:<hex>` of the public key (SPKI): what tokens carry; survives a renewal with the same key. */
export function spkiFingerprint(certificatePem: string): string {
  const spki = new X509Certificate(certificatePem).publicKey.export({
    type: 'spki',
    format: 'der',
  });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  // Positive and without leading zero octets (RFC 5280 4.1.2.2).
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}
