// TLS config as plain data for tests: what the compiler would make of an almost empty context.

import {
  type CertificateSource,
  type DownstreamTlsConfig,
  noValidation,
  type TlsCertificateData,
  type UpstreamTlsConfig,
  type ValidationContextData,
} from '../../dataplane/api/config/tls.ts';
import type { TestCertificate } from './pki.ts';

export function certificateData(certificate: TestCertificate): TlsCertificateData {
  return {
    certificateChainPem: certificate.certificatePem,
    privateKeyPem: certificate.privateKeyPem,
    password: '',
    ocspStaple: '',
    ocspExpiresMs: Number.MAX_SAFE_INTEGER,
    source: '<inline>',
  };
}

export function inlineCertificate(certificate: TestCertificate): CertificateSource {
  return { kind: 'inline', certificate: certificateData(certificate) };
}

/** Verifies nothing but what `change` says. */
export function validationData(change: Partial<ValidationContextData> = {}): ValidationContextData {
  return {
    ...noValidation,
    ...change,
  };
}

const common = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [],
  ecdhCurves: [],
  signatureAlgorithms: [],
  certificates: [],
  validation: { base: null, sdsName: null },
  alpnProtocols: [],
  keyLog: null,
} as const;

export function downstreamTls(change: Partial<DownstreamTlsConfig> = {}): DownstreamTlsConfig {
  return {
    ...common,
    requireClientCertificate: false,
    requireSni: false,
    sessionTickets: { kind: 'own' },
    sessionTimeoutS: 7200,
    preferClientCiphers: false,
    fullScanCertsOnSniMismatch: false,
    ocspStaplePolicy: 'LENIENT_STAPLING',
    ...change,
  };
}

export function upstreamTls(change: Partial<UpstreamTlsConfig> = {}): UpstreamTlsConfig {
  return {
    ...common,
    sni: '',
    autoHostSni: false,
    autoSniSanValidation: false,
    maxSessionKeys: 1,
    enforceRsaKeyUsage: false,
    ...change,
  };
}
