// One side's OpenSSL context, rebuilt when a secret it uses changes. Called by the downstream and
// upstream contexts; knows nothing of sockets.

import { constants } from 'node:crypto';
import tls from 'node:tls';
import type {
  CommonTlsConfig,
  SecretData,
  TlsCertificateData,
  ValidationContextData,
} from '../api/config/tls.ts';
import type { SecretStore } from './secret-store.ts';

/**
 * Envoy's default TLS 1.2 suites in OpenSSL spelling (its docs, CommonTlsContext.tls_params); the three
 * TLS 1.3 suites are always on.
 */
const defaultCipherSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const tls13CipherSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];
const defaultCurves = ['X25519', 'P-256'];

/** The context and what the peer must satisfy, as of now. */
export interface CurrentContext {
  readonly secureContext: tls.SecureContext;
  /** Null = the peer is not verified at all. */
  readonly validation: ValidationContextData | null;
}

/** Keeps the current context of one TLS config. Null while an SDS secret is missing. */
export class SecureContextSource {
  readonly #config: CommonTlsConfig;
  readonly #secrets: SecretStore;
  readonly #unsubscribe: (() => void)[] = [];
  #current: CurrentContext | null = null;
  #stale = true;
  /** Why the newest secrets could not be used; '' = fine. The last good context stays in use. */
  lastError = '';

  constructor(config: CommonTlsConfig, secrets: SecretStore) {
    this.#config = config;
    this.#secrets = secrets;
    const onChange = () => {
      this.#stale = true;
    };
    for (const source of config.certificates) {
      if (source.kind === 'sds') this.#unsubscribe.push(secrets.subscribe(source.name, onChange));
    }
    const { sdsName } = config.validation;
    if (sdsName !== null) this.#unsubscribe.push(secrets.subscribe(sdsName, onChange));
  }

  /** Built at first use after a change. A pair that OpenSSL refuses keeps the former context. */
  current(): CurrentContext | null {
    if (!this.#stale) return this.#current;
    this.#stale = false;
    try {
      const built = this.#build();
      if (built !== null) this.#current = built;
      this.lastError = '';
    } catch (thrown) {
      this.lastError = thrown instanceof Error ? thrown.message : String(thrown);
    }
    return this.#current;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #build(): CurrentContext | null {
    const certificates: TlsCertificateData[] = [];
    for (const source of this.#config.certificates) {
      if (source.kind === 'inline') certificates.push(source.certificate);
      else {
        const secret = this.#secrets.get(source.name);
        if (secret?.kind !== 'tls_certificate') return null;
        certificates.push(secret.certificate);
      }
    }
    const validation = this.#validation();
    if (validation === undefined) return null;
    const { cipherSuites, ecdhCurves, minVersion, maxVersion } = this.#config;
    const options: tls.SecureContextOptions = {
      minVersion,
      maxVersion,
      ciphers: [
        ...tls13CipherSuites,
        ...(cipherSuites.length > 0 ? cipherSuites : defaultCipherSuites),
      ].join(':'),
      ecdhCurve: (ecdhCurves.length > 0 ? ecdhCurves : defaultCurves).join(':'),
      // No resumption: a resumed session would carry the verdict on a certificate that was checked
      // against a CA which may since have been rotated out.
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
    if (certificates.length > 0) {
      options.cert = certificates.map((certificate) => certificate.certificateChainPem);
      options.key = certificates.map((certificate) =>
        certificate.password === ''
          ? certificate.privateKeyPem
          : { pem: certificate.privateKeyPem, passphrase: certificate.password },
      ) as string[]; // Node's type wants one element kind; the mix is documented as accepted.
    }
    if (validation !== null && validation.trustedCaPem !== '') options.ca = validation.trustedCaPem;
    else options.ca = [];
    if (validation !== null && validation.crlPem !== '') options.crl = validation.crlPem;
    return { secureContext: tls.createSecureContext(options), validation };
  }

  /** undefined = an SDS secret is missing; null = no validation configured. */
  #validation(): ValidationContextData | null | undefined {
    const { base, sdsName } = this.#config.validation;
    if (sdsName === null) return base;
    const secret: SecretData | null = this.#secrets.get(sdsName);
    if (secret?.kind !== 'validation_context') return undefined;
    return base === null ? secret.validation : merge(base, secret.validation);
  }
}

/** CombinedCertificateValidationContext: protobuf merge of the dynamic onto the static message. */
function merge(base: ValidationContextData, dynamic: ValidationContextData): ValidationContextData {
  return {
    trustedCaPem: dynamic.trustedCaPem || base.trustedCaPem,
    crlPem: dynamic.crlPem || base.crlPem,
    sanMatchers: [...base.sanMatchers, ...dynamic.sanMatchers],
    verifyCertificateHash: [...base.verifyCertificateHash, ...dynamic.verifyCertificateHash],
    verifyCertificateSpki: [...base.verifyCertificateSpki, ...dynamic.verifyCertificateSpki],
    allowExpiredCertificate: base.allowExpiredCertificate || dynamic.allowExpiredCertificate,
    acceptUntrusted: base.acceptUntrusted || dynamic.acceptUntrusted,
  };
}
