// Compiled TLS settings (extensions.transport_sockets.tls.v3), plain data from config/ for tls/.

import type { StringMatcherData } from '../matcher-data.ts';

/** One certificate with its key, PEM text. Secret: never logged, redacted in config_dump. */
export interface TlsCertificateData {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly password: string;
}

export interface SanMatcherData {
  readonly sanType: 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS';
  readonly matcher: StringMatcherData;
}

/** CertificateValidationContext. trustedCaPem '' = the peer is not verified against a CA. */
export interface ValidationContextData {
  readonly trustedCaPem: string;
  readonly crlPem: string;
  /** Any of them must match; empty = no SAN check. */
  readonly sanMatchers: readonly SanMatcherData[];
  /** Lower-case hex SHA-256 of the DER certificate. */
  readonly verifyCertificateHash: readonly string[];
  /** base64 SHA-256 of the SPKI. */
  readonly verifyCertificateSpki: readonly string[];
  readonly allowExpiredCertificate: boolean;
  readonly acceptUntrusted: boolean;
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

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface CommonTlsConfig {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL names; empty = Envoy's default list (TLS 1.2; 1.3 suites are fixed). */
  readonly cipherSuites: readonly string[];
  /** Empty = X25519, P-256. */
  readonly ecdhCurves: readonly string[];
  readonly certificates: readonly CertificateSource[];
  readonly validation: ValidationSource;
  readonly alpnProtocols: readonly string[];
}

export interface DownstreamTlsConfig extends CommonTlsConfig {
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
}

export interface UpstreamTlsConfig extends CommonTlsConfig {
  /** '' = no SNI is sent. */
  readonly sni: string;
  readonly autoHostSni: boolean;
  readonly autoSniSanValidation: boolean;
}
