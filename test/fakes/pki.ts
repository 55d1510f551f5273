// Certificates for tests, made on the spot: a P-256 CA and leafs with the names a test needs.

import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { pemBlocks, pemOf } from '../../common/der.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const rsaAlgorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
} as const;
const DAY_MS = 86_400_000;

export const { ExtendedKeyUsage, KeyUsageFlags } = x509;

export interface TestCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface LeafNames {
  /** SPKI of a key that the test has made; then the certificate comes with an empty private key. */
  readonly publicKeyPem?: string;
  /** Default 'ec', P-256. */
  readonly key?: 'ec' | 'rsa';
  readonly uri?: readonly string[];
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  /** Days from now; negative = expired. */
  readonly validDays?: number;
  /** Days from now when it begins; default -2. */
  readonly validFromDays?: number;
  readonly email?: readonly string[];
  /** Default: not a CA. */
  readonly ca?: boolean;
  /** Flags of x509.KeyUsageFlags; default: no such extension. */
  readonly keyUsage?: number;
  /** Default: server and client. */
  readonly extendedKeyUsage?: readonly string[];
}

/** A certificate authority for one test. */
export class TestCa {
  readonly certificatePem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  #serial = 1;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.certificatePem = certificate.toString('pem');
  }

  static async create(name = 'test CA'): Promise<TestCa> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned(
      {
        name: `CN=${name}`,
        notBefore: new Date(Date.now() - DAY_MS),
        notAfter: new Date(Date.now() + 30 * DAY_MS),
        signingAlgorithm: algorithm,
        keys,
        extensions: [
          new x509.BasicConstraintsExtension(true, undefined, true),
          new x509.KeyUsagesExtension(
            x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
            true,
          ),
        ],
      },
      webcrypto,
    );
    return new TestCa(certificate, keys);
  }

  /** Its own certificate with its key, for tools that sign by themselves. */
  async export(): Promise<TestCertificate> {
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', this.#keys.privateKey);
    return {
      certificatePem: this.certificatePem,
      privateKeyPem: pemOf(Buffer.from(pkcs8), 'PRIVATE KEY'),
    };
  }

  /** A CA below this one; its `certificatePem` goes behind the leafs that it issues. */
  async intermediate(name: string): Promise<TestCa> {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: (++this.#serial).toString(16).padStart(4, '0'),
        subject: `CN=${name}`,
        issuer: this.#certificate.subject,
        notBefore: new Date(Date.now() - DAY_MS),
        notAfter: new Date(Date.now() + 30 * DAY_MS),
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey: this.#keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(true, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        ],
      },
      webcrypto,
    );
    return new TestCa(certificate, keys);
  }

  /** A CRL of this CA that names these certificates. */
  async revoke(...certificates: readonly TestCertificate[]): Promise<string> {
    const crl = await x509.X509CrlGenerator.create(
      {
        issuer: this.#certificate.subject,
        thisUpdate: new Date(Date.now() - DAY_MS),
        nextUpdate: new Date(Date.now() + DAY_MS),
        signingAlgorithm: algorithm,
        signingKey: this.#keys.privateKey,
        entries: certificates.map(({ certificatePem }) => ({
          serialNumber: new x509.X509Certificate(certificatePem).serialNumber,
        })),
      },
      webcrypto,
    );
    return pemOf(Buffer.from(crl.rawData), 'X509 CRL');
  }

  async issue(names: LeafNames): Promise<TestCertificate> {
    const keys = await leafKeys(names);
    const alternativeNames: x509.JsonGeneralName[] = [
      ...(names.uri ?? []).map((value) => ({ type: 'url' as const, value })),
      ...(names.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
      ...(names.ip ?? []).map((value) => ({ type: 'ip' as const, value })),
      ...(names.email ?? []).map((value) => ({ type: 'email' as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: (++this.#serial).toString(16).padStart(4, '0'),
        subject: 'CN=test leaf, O=Remora tests',
        issuer: this.#certificate.subject,
        notBefore: new Date(Date.now() + (names.validFromDays ?? -2) * DAY_MS),
        notAfter: new Date(Date.now() + (names.validDays ?? 1) * DAY_MS),
        signingAlgorithm: algorithm,
        publicKey: keys.publicKey,
        signingKey: this.#keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(names.ca ?? false, undefined, true),
          ...(names.keyUsage === undefined
            ? []
            : [new x509.KeyUsagesExtension(names.keyUsage, true)]),
          new x509.ExtendedKeyUsageExtension([
            ...(names.extendedKeyUsage ?? [
              x509.ExtendedKeyUsage.serverAuth,
              x509.ExtendedKeyUsage.clientAuth,
            ]),
          ]),
          ...(alternativeNames.length > 0
            ? [new x509.SubjectAlternativeNameExtension(alternativeNames)]
            : []),
        ],
      },
      webcrypto,
    );
    const privateKeyPem =
      keys.privateKey === null
        ? ''
        : pemOf(
            Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)),
            'PRIVATE KEY',
          );
    return {
      certificatePem: certificate.toString('pem'),
      privateKeyPem,
    };
  }
}

async function leafKeys({ key, publicKeyPem }: LeafNames): Promise<{
  readonly publicKey: webcrypto.CryptoKey;
  readonly privateKey: webcrypto.CryptoKey | null;
}> {
  if (publicKeyPem !== undefined) {
    const [spki] = pemBlocks(publicKeyPem, 'PUBLIC KEY');
    const publicKey = await webcrypto.subtle.importKey('spki', spki!, rsaAlgorithm, true, [
      'verify',
    ]);
    return { publicKey, privateKey: null };
  }
  const algorithmOfKey = key === 'rsa' ? rsaAlgorithm : algorithm;
  return webcrypto.subtle.generateKey(algorithmOfKey, true, ['sign', 'verify']);
}
