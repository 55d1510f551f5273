// TlsParameters: versions, ciphers, curves and signature algorithms, in the words OpenSSL takes. What it
// does not know is refused by name.

import type { TlsParametersProto } from '../../proto/gen/types.ts';
import type { CommonTlsConfig, TlsVersion } from '../api/config/tls.ts';
import { cipherProblem, curveProblem, signatureAlgorithmProblem } from './certificate.ts';
import { type Compilation, mapItems } from './compilation.ts';

const versions = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
} as const;
const versionOrder: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

type TlsParameters = Pick<
  CommonTlsConfig,
  'minVersion' | 'maxVersion' | 'cipherSuites' | 'ecdhCurves' | 'signatureAlgorithms'
>;

/** What FIPS 140 allows (Envoy: compliance_policies FIPS_202205). */
const fips202205: TlsParameters = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ],
  ecdhCurves: ['P-256', 'P-384'],
  signatureAlgorithms: [
    'rsa_pkcs1_sha256',
    'rsa_pkcs1_sha384',
    'rsa_pkcs1_sha512',
    'ecdsa_secp256r1_sha256',
    'ecdsa_secp384r1_sha384',
    'rsa_pss_rsae_sha256',
    'rsa_pss_rsae_sha384',
    'rsa_pss_rsae_sha512',
  ],
};

export function compileTlsParameters(
  params: TlsParametersProto,
  defaultMaxVersion: TlsVersion,
  path: string,
  compilation: Compilation,
): TlsParameters {
  const policies = params.compliance_policies ?? [];
  if (policies.includes('FIPS_202205')) return compileFips(params, path, compilation);
  return {
    ...compileVersions(params, defaultMaxVersion, path, compilation),
    cipherSuites: compileCiphers(params, `${path}.cipher_suites`, compilation),
    ecdhCurves: mapItems(params.ecdh_curves, `${path}.ecdh_curves`, (curve, at) => {
      const problem = curveProblem(curve);
      if (problem !== null) compilation.fail(at, problem);
      return curve;
    }),
    signatureAlgorithms: mapItems(
      params.signature_algorithms,
      `${path}.signature_algorithms`,
      (algorithm, at) => {
        const problem = signatureAlgorithmProblem(algorithm);
        if (problem !== null) compilation.fail(at, problem);
        return algorithm;
      },
    ),
  };
}

/** The policy decides alone: which of two lists would hold is a question that nobody should have. */
function compileFips(
  params: TlsParametersProto,
  path: string,
  compilation: Compilation,
): TlsParameters {
  for (const [name, value] of Object.entries(params)) {
    const isSet = Array.isArray(value) ? value.length > 0 : value !== 'TLS_AUTO';
    if (name === 'compliance_policies' || value === undefined || !isSet) continue;
    compilation.fail(`${path}.${name}`, 'must not be set beside compliance_policies');
  }
  return fips202205;
}

/** BoringSSL's groups of equal preference, `[A|B]`, become A before B: OpenSSL has no such groups. */
function compileCiphers(
  params: TlsParametersProto,
  path: string,
  compilation: Compilation,
): string[] {
  return mapItems(params.cipher_suites, path, (entry, at) => {
    const suites = /^\[.*\]$/.test(entry) ? entry.slice(1, -1).split('|') : [entry];
    for (const suite of suites) {
      const problem = cipherProblem(suite);
      if (problem !== null) compilation.fail(at, problem);
    }
    return suites;
  }).flat();
}

function compileVersions(
  params: TlsParametersProto,
  defaultMaxVersion: TlsVersion,
  path: string,
  compilation: Compilation,
): { readonly minVersion: TlsVersion; readonly maxVersion: TlsVersion } {
  const version = (field: 'tls_minimum_protocol_version' | 'tls_maximum_protocol_version') => {
    const name = params[field] ?? 'TLS_AUTO';
    return name === 'TLS_AUTO' ? null : versions[name];
  };
  const minVersion = version('tls_minimum_protocol_version') ?? 'TLSv1.2';
  const maxVersion = version('tls_maximum_protocol_version') ?? defaultMaxVersion;
  if (versionOrder.indexOf(minVersion) > versionOrder.indexOf(maxVersion)) {
    compilation.fail(
      `${path}.tls_minimum_protocol_version`,
      `must be <= the maximum, ${maxVersion}`,
    );
  }
  return { minVersion, maxVersion };
}
