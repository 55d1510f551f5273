// Compiled TLS settings (extensions.transport_sockets.tls.v3), plain data from config/ for tls/.

import type { StringMatcherData } from '../matcher-data.ts';

/** One certificate with its key, PEM text. Secret: never logged, redacted in config_dump. */
export interface TlsCertificateData {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly password: string;
  /** base64 of the DER OCSP response to staple; '' = none. */
  readonly ocspStaple: string;
  /** When that response runs out, ms since the epoch. */
  readonly ocspExpiresMs: number;
  /** Where the chain was read: a path, or `<inline>`. */
  readonly source: string;
}

export interface SanMatcherData {
  readonly sanType: 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS';
  readonly matcher: StringMatcherData;
}

/** One trust domain of the SPIFFE validator; its roots vouch for this domain only. */
export interface TrustDomainData {
  readonly name: string;
  readonly trustBundlePem: string;
}

/**
 * CertificateValidationContext. Without trustedCaPem, systemRootCerts and spiffe the peer's chain is not
 * verified.
 */
export interface ValidationContextData {
  readonly trustedCaPem: string;
  /** Where that was read: a path, or `<inline>`. */
  readonly trustedCaSource: string;
  /** The roots that OpenSSL finds on this machine; only when trustedCaPem is ''. */
  readonly systemRootCerts: boolean;
  readonly crlPem: string;
  /** The CRLs are asked about the peer's own certificate only, not about its issuers. */
  readonly onlyVerifyLeafCertCrl: boolean;
  /** Certificates above the leaf, trust anchor included; null = only the built-in limit. */
  readonly maxVerifyDepth: number | null;
  /** custom_validator_config envoy.tls.cert_validator.spiffe; null = the default validator. */
  readonly spiffe: readonly TrustDomainData[] | null;
  /** Any of them must match; empty = no SAN check. */
  readonly sanMatchers: readonly SanMatcherData[];
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly verifyCertificateHash: readonly string[];
  /** base64 SHA-256 of the SPKI. */
  readonly verifyCertificateSpki: readonly string[];
  readonly allowExpiredCertificate: boolean;
  readonly acceptUntrusted: boolean;
}

/** A context that asks nothing of a peer's certificate. */
export const noValidation: ValidationContextData = {
  trustedCaPem: '',
  trustedCaSource: '<inline>',
  systemRootCerts: false,
  crlPem: '',
  onlyVerifyLeafCertCrl: false,
  maxVerifyDepth: null,
  spiffe: null,
  sanMatchers: [],
  verifyCertificateHash: [],
  verifyCertificateSpki: [],
  allowExpiredCertificate: false,
  acceptUntrusted: false,
};

/** combined_validation_context: protobuf merge of the secret onto the default; lists are joined. */
export function mergeValidation(
  base: ValidationContextData | null,
  secret: ValidationContextData,
): ValidationContextData {
  if (base === null) return secret;
  return {
    trustedCaPem: secret.trustedCaPem || base.trustedCaPem,
    trustedCaSource: (secret.trustedCaPem === '' ? base : secret).trustedCaSource,
    systemRootCerts:
      (secret.systemRootCerts || base.systemRootCerts) &&
      secret.trustedCaPem === '' &&
      base.trustedCaPem === '',
    crlPem: secret.crlPem || base.crlPem,
    onlyVerifyLeafCertCrl: secret.onlyVerifyLeafCertCrl || base.onlyVerifyLeafCertCrl,
    maxVerifyDepth: secret.maxVerifyDepth ?? base.maxVerifyDepth,
    spiffe: secret.spiffe ?? base.spiffe,
    sanMatchers: [...base.sanMatchers, ...secret.sanMatchers],
    verifyCertificateHash: [...base.verifyCertificateHash, ...secret.verifyCertificateHash],
    verifyCertificateSpki: [...base.verifyCertificateSpki, ...secret.verifyCertificateSpki],
    allowExpiredCertificate: base.allowExpiredCertificate || secret.allowExpiredCertificate,
    acceptUntrusted: base.acceptUntrusted || secret.acceptUntrusted,
  };
}

/** A secret as SDS delivers it. */
export type SecretData =
  | {
      readonly kind: 'tls_certificate';
      readonly name: string;
      readonly certificate: TlsCertificateData;
    }
  | {
      readonly kind: 'validation_context';
      readonly name: string;
      readonly validation: ValidationContextData;
    }
  | {
      readonly kind: 'session_ticket_keys';
      readonly name: string;
      /** base64, 80 bytes each; the first is the newest. */
      readonly keys: readonly string[];
    };

/** Inline, or the name of an SDS secret that the worker's SecretStore holds or will hold. */
export type CertificateSource =
  | { readonly kind: 'inline'; readonly certificate: TlsCertificateData }
  | { readonly kind: 'sds'; readonly name: string };

/**
 * combined_validation_context = `base` merged with the secret `sdsName`; plain SDS = base null;
 * inline = sdsName null. Both null = peers are not verified.
 */
export interface ValidationSource {
  readonly base: ValidationContextData | null;
  readonly sdsName: string | null;
}

/** Where the key of session tickets comes from. */
export type SessionTicketData =
  /** Made by this process and shared by its workers. */
  | { readonly kind: 'own' }
  /** base64, 80 bytes each; the first is the newest. */
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'sds'; readonly name: string }
  /** Every handshake is a full one. */
  | { readonly kind: 'off' };

/** Secrets of handshakes are appended to `path` for peers and local addresses in these ranges. */
export interface KeyLogData {
  readonly path: string;
  /** CIDR texts; empty = any. */
  readonly localAddressRanges: readonly string[];
  readonly remoteAddressRanges: readonly string[];
}

export type OcspStaplePolicy = 'LENIENT_STAPLING' | 'STRICT_STAPLING' | 'MUST_STAPLE';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface CommonTlsConfig {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL names; empty = Envoy's default list (TLS 1.2; 1.3 suites are fixed). */
  readonly cipherSuites: readonly string[];
  /** Empty = X25519, P-256. */
  readonly ecdhCurves: readonly string[];
  /** IANA names; empty = OpenSSL's list. */
  readonly signatureAlgorithms: readonly string[];
  readonly certificates: readonly CertificateSource[];
  readonly validation: ValidationSource;
  readonly alpnProtocols: readonly string[];
  readonly keyLog: KeyLogData | null;
}

export interface DownstreamTlsConfig extends CommonTlsConfig {
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  readonly sessionTickets: SessionTicketData;
  /** How long a session can be resumed; > 0. */
  readonly sessionTimeoutS: number;
  readonly preferClientCiphers: boolean;
  readonly fullScanCertsOnSniMismatch: boolean;
  readonly ocspStaplePolicy: OcspStaplePolicy;
}

export interface UpstreamTlsConfig extends CommonTlsConfig {
  /** '' = no SNI is sent. */
  readonly sni: string;
  readonly autoHostSni: boolean;
  readonly autoSniSanValidation: boolean;
  /** Sessions kept for resumption; 0 = none. */
  readonly maxSessionKeys: number;
  readonly enforceRsaKeyUsage: boolean;
}
