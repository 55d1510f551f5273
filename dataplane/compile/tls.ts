// extensions.transport_sockets.tls.v3: both contexts as plain data. Called by the transport_socket halves;
// what they are made of is in tls-params, tls-certificate and validation-context.

import type {
  CommonTlsContextProto,
  DownstreamTlsContextProto,
  SdsSecretConfigProto,
  TlsKeyLogProto,
  TlsSessionTicketKeysProto,
  UpstreamTlsContextProto,
} from '../../proto/gen/types.ts';
import { durationMs, wrapperOr } from '../../proto/well-known.ts';
import {
  type CertificateSource,
  type CommonTlsConfig,
  type DownstreamTlsConfig,
  type KeyLogData,
  mergeValidation,
  type SessionTicketData,
  type TlsVersion,
  type UpstreamTlsConfig,
  type ValidationContextData,
  type ValidationSource,
} from '../api/config/tls.ts';
import { compileCidr } from './address.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { referTo } from './config-source.ts';
import { readDataSource } from './data-source.ts';
import { compileTlsCertificate } from './tls-certificate.ts';
import { compileTlsParameters } from './tls-params.ts';
import { compileValidationContext } from './validation-context.ts';

/** BoringSSL's SSL_DEFAULT_SESSION_TIMEOUT. */
const DEFAULT_SESSION_TIMEOUT_S = 7200;
/** What OpenSSL's int of seconds holds. */
const MAX_SESSION_TIMEOUT_S = 2_147_483_647;
/** Name, HMAC key and AES key, as Envoy wants them. */
const TICKET_KEY_BYTES = 80;

export function compileDownstreamTls(
  context: DownstreamTlsContextProto,
  compilation: Compilation,
): DownstreamTlsConfig {
  const common = compileCommon(context.common_tls_context, 'TLSv1.3', compilation);
  if (common.certificates.length === 0) {
    compilation.fail('common_tls_context', 'no TLS certificates found for server context');
  }
  const ocspStaplePolicy = context.ocsp_staple_policy ?? 'LENIENT_STAPLING';
  checkStaples(common.certificates, ocspStaplePolicy, compilation);
  return {
    ...common,
    requireClientCertificate: wrapperOr(context.require_client_certificate, false),
    requireSni: wrapperOr(context.require_sni, false),
    sessionTickets: compileSessionTickets(context, compilation),
    sessionTimeoutS: compileSessionTimeout(context),
    preferClientCiphers: context.prefer_client_ciphers ?? false,
    fullScanCertsOnSniMismatch: wrapperOr(context.full_scan_certs_on_sni_mismatch, false),
    ocspStaplePolicy,
  };
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
    maxSessionKeys: wrapperOr(context.max_session_keys, 1),
    enforceRsaKeyUsage: wrapperOr(context.enforce_rsa_key_usage, false),
  };
}

function compileCommon(
  context: CommonTlsContextProto | undefined,
  defaultMaxVersion: TlsVersion,
  compilation: Compilation,
): CommonTlsConfig {
  const path = 'common_tls_context';
  const proto = context ?? {};
  return {
    ...compileTlsParameters(
      proto.tls_params ?? {},
      defaultMaxVersion,
      `${path}.tls_params`,
      compilation,
    ),
    certificates: compileCertificates(proto, path, compilation),
    validation: compileValidation(proto, path, compilation),
    alpnProtocols: compileAlpn(proto, path, compilation),
    keyLog: compileKeyLog(proto.key_log, `${path}.key_log`, compilation),
  };
}

/** RFC 7301: a name has 1 to 255 bytes, and all of them together at most 65,535. */
function compileAlpn(
  { alpn_protocols: protocols }: CommonTlsContextProto,
  path: string,
  compilation: Compilation,
): readonly string[] {
  return mapItems(protocols, `${path}.alpn_protocols`, (protocol, at) => {
    const { length } = Buffer.from(protocol);
    if (length === 0 || length > 255) compilation.fail(at, 'must have 1 to 255 bytes');
    return protocol;
  });
}

function compileKeyLog(
  proto: TlsKeyLogProto | undefined,
  path: string,
  compilation: Compilation,
): KeyLogData | null {
  if (proto === undefined) return null;
  const ranges = (field: 'local_address_range' | 'remote_address_range') =>
    mapItems(proto[field], `${path}.${field}`, (range, at) => compileCidr(range, at, compilation));
  return {
    path: proto.path ?? '',
    localAddressRanges: ranges('local_address_range'),
    remoteAddressRanges: ranges('remote_address_range'),
  };
}

function compileSessionTimeout({ session_timeout: timeout }: DownstreamTlsContextProto): number {
  if (timeout === undefined) return DEFAULT_SESSION_TIMEOUT_S;
  // 0 would be "no timeout" to OpenSSL; a session that ends at once is what was meant.
  return Math.min(Math.max(1, Math.floor(durationMs(timeout) / 1000)), MAX_SESSION_TIMEOUT_S);
}

function compileSessionTickets(
  context: DownstreamTlsContextProto,
  compilation: Compilation,
): SessionTicketData {
  if (context.session_ticket_keys !== undefined) {
    const keys = compileTicketKeys(context.session_ticket_keys, 'session_ticket_keys', compilation);
    return { kind: 'keys', keys };
  }
  const sds = context.session_ticket_keys_sds_secret_config;
  if (sds !== undefined) {
    const path = 'session_ticket_keys_sds_secret_config';
    const name = sds.name ?? '';
    if (sds.sds_config !== undefined) {
      return { kind: 'sds', name: referToSecret(sds, path, compilation) };
    }
    const secret = compilation.context.staticSecret(name);
    if (secret?.kind === 'session_ticket_keys') return { kind: 'keys', keys: secret.keys };
    compilation.fail(`${path}.name`, `unknown static secret '${name}' (of session_ticket_keys)`);
  }
  return { kind: context.disable_stateless_session_resumption === true ? 'off' : 'own' };
}

/** Also for Secret resources. base64, so that the data stay plain text. */
export function compileTicketKeys(
  proto: TlsSessionTicketKeysProto,
  path: string,
  compilation: Compilation,
): readonly string[] {
  return mapItems(proto.keys, `${path}.keys`, (source, at) => {
    const key = readDataSource(source, at, compilation);
    if (key !== null && key.length !== TICKET_KEY_BYTES) {
      compilation.fail(
        at,
        `incorrect TLS session ticket key length: ${key.length}, expected ${TICKET_KEY_BYTES}`,
      );
    }
    return key?.toString('base64') ?? '';
  });
}

/**
 * Node does not say which certificate a handshake will use before it asks for the staple, so one that is
 * stapled must be the only one. Those of SDS are judged when they come.
 */
function checkStaples(
  certificates: readonly CertificateSource[],
  policy: DownstreamTlsConfig['ocspStaplePolicy'],
  compilation: Compilation,
): void {
  for (const [i, source] of certificates.entries()) {
    if (source.kind !== 'inline') continue;
    const path = `common_tls_context.tls_certificates[${i}]`;
    if (source.certificate.ocspStaple !== '') {
      if (certificates.length === 1) continue;
      compilation.fail(
        `${path}.ocsp_staple`,
        'not supported yet (beside further tls_certificates)',
      );
    } else if (policy === 'MUST_STAPLE') {
      compilation.fail(path, 'Required OCSP response is missing from TLS context');
    }
  }
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
    return { kind: 'sds', name: referToSecret(config, path, compilation) };
  }
  const secret = compilation.context.staticSecret(name);
  if (secret?.kind === 'tls_certificate') {
    return { kind: 'inline', certificate: secret.certificate };
  }
  compilation.fail(`${path}.name`, `unknown static secret '${name}' (of a tls_certificate)`);
  return { kind: 'sds', name };
}

/** Its id. */
function referToSecret(
  { name = '', sds_config: source }: SdsSecretConfigProto,
  path: string,
  compilation: Compilation,
): string {
  return referTo({ kind: 'secret', name, source, path: `${path}.sds_config` }, compilation);
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
    return { base, sdsName: referToSecret(config, path, compilation) };
  }
  const secret = compilation.context.staticSecret(name);
  if (secret?.kind === 'validation_context') {
    return { base: mergeValidation(base, secret.validation), sdsName: null };
  }
  compilation.fail(`${path}.name`, `unknown static secret '${name}' (of a validation_context)`);
  return { base, sdsName: null };
}
