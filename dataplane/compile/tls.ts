// extensions.transport_sockets.tls.v3: contexts, certificates and validation contexts as plain data.
// Called by the transport_socket halves and for Secret resources. Keys are never put into errors.

import type {
  CertificateValidationContextProto,
  CommonTlsContextProto,
  DataSourceProto,
  DownstreamTlsContextProto,
  SdsSecretConfigProto,
  SubjectAltNameMatcherProto,
  TlsCertificateProto,
  TlsParametersProto,
  UpstreamTlsContextProto,
} from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type {
  CertificateSource,
  CommonTlsConfig,
  DownstreamTlsConfig,
  SanMatcherData,
  TlsCertificateData,
  TlsVersion,
  UpstreamTlsConfig,
  ValidationContextData,
  ValidationSource,
} from '../api/config/tls.ts';
import {
  cipherProblem,
  crlProblem,
  curveProblem,
  pairProblem,
  parseCertificates,
  parsePrivateKey,
} from './certificate.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { requireAds } from './config-source.ts';
import { readDataSource, readText, sourceName } from './data-source.ts';
import { compileStringMatcher } from './matchers.ts';

const versions = {
  TLSv1_0: 'TLSv1',
  TLSv1_1: 'TLSv1.1',
  TLSv1_2: 'TLSv1.2',
  TLSv1_3: 'TLSv1.3',
} as const;
const versionOrder: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

export function compileDownstreamTls(
  context: DownstreamTlsContextProto,
  compilation: Compilation,
): DownstreamTlsConfig {
  const common = compileCommon(context.common_tls_context, 'TLSv1.3', compilation);
  const requireClientCertificate = wrapperOr(context.require_client_certificate, false);
  if (common.certificates.length === 0) {
    compilation.fail('common_tls_context', 'no TLS certificates found for server context');
  }
  return { ...common, requireClientCertificate, requireSni: wrapperOr(context.require_sni, false) };
}

export function compileUpstreamTls(
  context: UpstreamTlsContextProto,
  compilation: Compilation,
): UpstreamTlsConfig {
  // Envoy's clients stop at TLS 1.2 unless told otherwise.
  const common = compileCommon(context.common_tls_context, 'TLSv1.2', compilation);
  if (common.certificates.length > 1) {
    compilation.fail(
      'common_tls_context',
      'multiple TLS certificates are not supported for client contexts',
    );
  }
  return {
    ...common,
    sni: context.sni ?? '',
    autoHostSni: context.auto_host_sni ?? false,
    autoSniSanValidation: context.auto_sni_san_validation ?? false,
  };
}

function compileCommon(
  context: CommonTlsContextProto | undefined,
  defaultMaxVersion: TlsVersion,
  compilation: Compilation,
): CommonTlsConfig {
  const path = 'common_tls_context';
  const proto = context ?? {};
  const params = proto.tls_params ?? {};
  return {
    ...compileVersions(params, defaultMaxVersion, `${path}.tls_params`, compilation),
    cipherSuites: compileCiphers(params, `${path}.tls_params.cipher_suites`, compilation),
    ecdhCurves: mapItems(params.ecdh_curves, `${path}.tls_params.ecdh_curves`, (curve, at) => {
      const problem = curveProblem(curve);
      if (problem !== null) compilation.fail(at, problem);
      return curve;
    }),
    certificates: compileCertificates(proto, path, compilation),
    validation: compileValidation(proto, path, compilation),
    alpnProtocols: proto.alpn_protocols ?? [],
  };
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

function compileCertificates(
  context: CommonTlsContextProto,
  path: string,
  compilation: Compilation,
): CertificateSource[] {
  const inline = mapItems(
    context.tls_certificates,
    `${path}.tls_certificates`,
    (certificate, at): CertificateSource => ({
      kind: 'inline',
      certificate: compileTlsCertificate(certificate, at, compilation),
    }),
  );
  const sds = mapItems(
    context.tls_certificate_sds_secret_configs,
    `${path}.tls_certificate_sds_secret_configs`,
    (config, at) => compileSdsCertificate(config, at, compilation),
  );
  if (inline.length > 0 && sds.length > 0) {
    compilation.fail(
      path,
      'only one of tls_certificates, tls_certificate_sds_secret_configs may be set',
    );
  }
  return [...inline, ...sds];
}

function compileSdsCertificate(
  config: SdsSecretConfigProto,
  path: string,
  compilation: Compilation,
): CertificateSource {
  const name = config.name ?? '';
  if (config.sds_config !== undefined) {
    requireAds(config.sds_config, `${path}.sds_config`, compilation);
    return { kind: 'sds', name };
  }
  const secret = compilation.context.staticSecret(name);
  if (secret?.kind === 'tls_certificate') {
    return { kind: 'inline', certificate: secret.certificate };
  }
  compilation.fail(`${path}.name`, `unknown static secret '${name}' (of a tls_certificate)`);
  return { kind: 'sds', name };
}

/** Envoy reads certificate and key, and refuses a pair that does not match. */
export function compileTlsCertificate(
  proto: TlsCertificateProto,
  path: string,
  compilation: Compilation,
): TlsCertificateData {
  const certificateChainPem = requiredText(
    proto.certificate_chain,
    `${path}.certificate_chain`,
    compilation,
  );
  const privateKeyPem = requiredText(proto.private_key, `${path}.private_key`, compilation);
  const password = readText(proto.password, `${path}.password`, compilation);
  const data = { certificateChainPem, privateKeyPem, password };
  if (certificateChainPem === '' || privateKeyPem === '') return data;
  const chain = parseCertificates(certificateChainPem);
  const key = parsePrivateKey(privateKeyPem, password);
  const chainName = sourceName(proto.certificate_chain ?? {}, 'inline certificate_chain');
  const keyName = sourceName(proto.private_key ?? {}, 'inline private_key');
  if (!chain.ok) compilation.fail(`${path}.certificate_chain`, `${chainName}: ${chain.errors}`);
  if (!key.ok) compilation.fail(`${path}.private_key`, `${keyName}: ${key.errors}`);
  if (chain.ok && key.ok) {
    const problem = pairProblem(chain.value[0]!, key.value);
    if (problem !== null) {
      compilation.fail(`${path}.private_key`, `private key ${keyName} ${problem} ${chainName}`);
    }
  }
  return data;
}

function requiredText(
  source: DataSourceProto | undefined,
  path: string,
  compilation: Compilation,
): string {
  if (source === undefined) {
    compilation.fail(path, 'is required');
    return '';
  }
  const bytes = readDataSource(source, path, compilation);
  if (bytes !== null && bytes.length === 0) compilation.fail(path, 'must not be empty');
  return bytes?.toString('utf8') ?? '';
}

function compileValidation(
  context: CommonTlsContextProto,
  path: string,
  compilation: Compilation,
): ValidationSource {
  if (context.validation_context !== undefined) {
    const at = `${path}.validation_context`;
    const base = compileValidationContext(context.validation_context, at, compilation);
    return { base, sdsName: null };
  }
  if (context.validation_context_sds_secret_config !== undefined) {
    const at = `${path}.validation_context_sds_secret_config`;
    return compileSdsValidation(
      context.validation_context_sds_secret_config,
      null,
      at,
      compilation,
    );
  }
  const combined = context.combined_validation_context;
  if (combined === undefined) return { base: null, sdsName: null };
  const at = `${path}.combined_validation_context`;
  const base = compileValidationContext(
    combined.default_validation_context ?? {},
    `${at}.default_validation_context`,
    compilation,
  );
  if (combined.validation_context_sds_secret_config === undefined) {
    compilation.fail(`${at}.validation_context_sds_secret_config`, 'is required');
    return { base, sdsName: null };
  }
  const sdsPath = `${at}.validation_context_sds_secret_config`;
  return compileSdsValidation(
    combined.validation_context_sds_secret_config,
    base,
    sdsPath,
    compilation,
  );
}

function compileSdsValidation(
  config: SdsSecretConfigProto,
  base: ValidationContextData | null,
  path: string,
  compilation: Compilation,
): ValidationSource {
  const name = config.name ?? '';
  if (config.sds_config !== undefined) {
    requireAds(config.sds_config, `${path}.sds_config`, compilation);
    return { base, sdsName: name };
  }
  const secret = compilation.context.staticSecret(name);
  if (secret?.kind === 'validation_context') {
    return { base: mergeValidation(base, secret.validation), sdsName: null };
  }
  compilation.fail(`${path}.name`, `unknown static secret '${name}' (of a validation_context)`);
  return { base, sdsName: null };
}

/** combined_validation_context: the secret's fields are merged over the default's, lists joined. */
function mergeValidation(
  base: ValidationContextData | null,
  secret: ValidationContextData,
): ValidationContextData {
  if (base === null) return secret;
  return {
    trustedCaPem: secret.trustedCaPem === '' ? base.trustedCaPem : secret.trustedCaPem,
    crlPem: secret.crlPem === '' ? base.crlPem : secret.crlPem,
    sanMatchers: [...base.sanMatchers, ...secret.sanMatchers],
    verifyCertificateHash: [...base.verifyCertificateHash, ...secret.verifyCertificateHash],
    verifyCertificateSpki: [...base.verifyCertificateSpki, ...secret.verifyCertificateSpki],
    allowExpiredCertificate: base.allowExpiredCertificate || secret.allowExpiredCertificate,
    acceptUntrusted: base.acceptUntrusted || secret.acceptUntrusted,
  };
}

export function compileValidationContext(
  proto: CertificateValidationContextProto,
  path: string,
  compilation: Compilation,
): ValidationContextData {
  const trustedCaPem = readText(proto.trusted_ca, `${path}.trusted_ca`, compilation);
  if (proto.trusted_ca !== undefined && trustedCaPem !== '') {
    const parsed = parseCertificates(trustedCaPem);
    if (!parsed.ok) {
      const name = sourceName(proto.trusted_ca, 'inline trusted_ca');
      compilation.fail(`${path}.trusted_ca`, `${name}: ${parsed.errors}`);
    }
  }
  const crlPem = readText(proto.crl, `${path}.crl`, compilation);
  const crlError = crlPem === '' ? null : crlProblem(crlPem);
  if (crlError !== null) compilation.fail(`${path}.crl`, crlError);
  const sanMatchers = compileSanMatchers(proto, path, compilation);
  if (
    sanMatchers.length > 0 &&
    proto.trusted_ca === undefined &&
    path.endsWith('.validation_context')
  ) {
    compilation.fail(
      path,
      'SAN-based verification of peer certificates without trusted CA is insecure and not allowed',
    );
  }
  return {
    trustedCaPem,
    crlPem,
    sanMatchers,
    verifyCertificateHash: mapItems(
      proto.verify_certificate_hash,
      `${path}.verify_certificate_hash`,
      (hash, at) => compileHash(hash, at, compilation),
    ),
    verifyCertificateSpki: mapItems(
      proto.verify_certificate_spki,
      `${path}.verify_certificate_spki`,
      (spki, at) => {
        if (Buffer.from(spki, 'base64').length !== 32) {
          compilation.fail(at, `invalid base64-encoded SHA-256 '${spki}'`);
        }
        return spki;
      },
    ),
    allowExpiredCertificate: proto.allow_expired_certificate ?? false,
    acceptUntrusted: proto.trust_chain_verification === 'ACCEPT_UNTRUSTED',
  };
}

/** Both `aabb..` and `AA:BB:..` are allowed. */
function compileHash(hash: string, path: string, compilation: Compilation): string {
  const hex = hash.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) compilation.fail(path, `invalid hex-encoded SHA-256 '${hash}'`);
  return hex;
}

const sanTypes = ['DNS', 'URI', 'EMAIL', 'IP_ADDRESS'] as const;

function compileSanMatchers(
  proto: CertificateValidationContextProto,
  path: string,
  compilation: Compilation,
): SanMatcherData[] {
  const typed = mapItems(
    proto.match_typed_subject_alt_names,
    `${path}.match_typed_subject_alt_names`,
    (matcher, at) => compileSanMatcher(matcher, at, compilation),
  );
  if (typed.length > 0) return typed;
  // The deprecated untyped form means "a SAN of any type"; Envoy ignores it beside the typed one.
  return mapItems(proto.match_subject_alt_names, `${path}.match_subject_alt_names`, (proto, at) => {
    const matcher = compileStringMatcher(proto, at, compilation);
    return sanTypes.map((sanType) => ({ sanType, matcher }));
  }).flat();
}

function compileSanMatcher(
  proto: SubjectAltNameMatcherProto,
  path: string,
  compilation: Compilation,
): SanMatcherData {
  const matcher = compileStringMatcher(proto.matcher, `${path}.matcher`, compilation);
  const sanType = proto.san_type ?? 'SAN_TYPE_UNSPECIFIED';
  if (sanType === 'SAN_TYPE_UNSPECIFIED' || sanType === 'OTHER_NAME') {
    compilation.fail(`${path}.san_type`, 'must be EMAIL, DNS, URI or IP_ADDRESS');
    return { sanType: 'URI', matcher };
  }
  return { sanType, matcher };
}
