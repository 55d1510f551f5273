// CertificateValidationContext: what a peer's certificate must satisfy. Called for contexts and for Secret
// resources.

import type {
  CertificateValidationContextProto,
  SubjectAltNameMatcherProto,
} from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { SanMatcherData, TrustDomainData, ValidationContextData } from '../api/config/tls.ts';
import { crlProblem, crlsIn, parseCertificates } from './certificate.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { readFilledText, sourceName, sourcePath } from './data-source.ts';
import { compileStringMatcher } from './matchers.ts';

export function compileValidationContext(
  proto: CertificateValidationContextProto,
  path: string,
  compilation: Compilation,
): ValidationContextData {
  const trustedCaPem = compileTrustedCa(proto, path, compilation);
  const sanMatchers = compileSanMatchers(proto, path, compilation);
  const spiffe = compileValidator(proto, path, compilation);
  const hasTrustAnchors =
    proto.trusted_ca !== undefined || proto.system_root_certs !== undefined || spiffe !== null;
  if (sanMatchers.length > 0 && !hasTrustAnchors && path.endsWith('.validation_context')) {
    compilation.fail(
      path,
      'SAN-based verification of peer certificates without trusted CA is insecure and not allowed',
    );
  }
  return {
    trustedCaPem,
    trustedCaSource: sourcePath(proto.trusted_ca),
    systemRootCerts: proto.system_root_certs !== undefined && trustedCaPem === '',
    crlPem: compileCrl(proto, trustedCaPem, path, compilation),
    onlyVerifyLeafCertCrl: proto.only_verify_leaf_cert_crl ?? false,
    maxVerifyDepth: wrapperOr(proto.max_verify_depth, null),
    spiffe,
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

function compileTrustedCa(
  proto: CertificateValidationContextProto,
  path: string,
  compilation: Compilation,
): string {
  const trustedCaPem = readFilledText(proto.trusted_ca, `${path}.trusted_ca`, compilation);
  if (proto.trusted_ca === undefined || trustedCaPem === '') return trustedCaPem;
  const parsed = parseCertificates(trustedCaPem);
  if (!parsed.ok) {
    const name = sourceName(proto.trusted_ca, 'inline trusted_ca');
    compilation.fail(`${path}.trusted_ca`, `${name}: ${parsed.errors}`);
  }
  return trustedCaPem;
}

/** Those of `crl` and those that stand in trusted_ca count alike. */
function compileCrl(
  proto: CertificateValidationContextProto,
  trustedCaPem: string,
  path: string,
  compilation: Compilation,
): string {
  const given = readFilledText(proto.crl, `${path}.crl`, compilation);
  const problem = given === '' ? null : crlProblem(given);
  if (problem !== null) compilation.fail(`${path}.crl`, problem);
  const beside = crlsIn(trustedCaPem);
  const besideProblem = beside === '' ? null : crlProblem(beside);
  if (besideProblem !== null) compilation.fail(`${path}.trusted_ca`, besideProblem);
  return [given, beside].filter((pem) => pem !== '').join('\n');
}

function compileValidator(
  proto: CertificateValidationContextProto,
  path: string,
  compilation: Compilation,
): readonly TrustDomainData[] | null {
  if (proto.custom_validator_config === undefined) return null;
  const validator = compilation.extension(
    'cert-validator',
    namedAny(proto.custom_validator_config),
    `${path}.custom_validator_config`,
  );
  // The one extension of that category makes them.
  return validator === null ? null : (validator.data as readonly TrustDomainData[]);
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
