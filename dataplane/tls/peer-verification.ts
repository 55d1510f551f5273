// Whether a peer's certificate satisfies a validation context. OpenSSL checks chain, dates, purpose and
// CRL during the handshake; names, pins, depth, trust domains and the rules of SVIDs are checked here, after
// it and before any byte is let through. A resumed session is judged like a new one; its chain was checked
// under the same anchors and lists, or its ticket would not have opened (session-tickets.ts).

import { createHash, type X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import type { Clock } from '../../common/clock.ts';
import type { SanMatcherData, ValidationContextData } from '../api/config/tls.ts';
import { compileStringMatcher, type StringMatcher } from '../matcher/string-matcher.ts';
import { allowsUsage, certificateFacts, KeyUsageBit } from './certificate-facts.ts';
import { findPath, MAX_SENT_ISSUERS, sentIssuers } from './certificate-path.ts';
import { RevocationLists } from './revocation.ts';
import { certificatesIn, trustAnchors } from './secure-context.ts';
import { svidProblem, trustDomainOf } from './spiffe-id.ts';
import { type SubjectAltNames, subjectAltNames } from './subject-alt-names.ts';

/** Why a peer was refused; the names are the counters below `ssl.`. */
export type VerificationFailure =
  | 'fail_verify_no_cert'
  | 'fail_verify_error'
  | 'fail_verify_san'
  | 'fail_verify_cert_hash';

export interface VerificationResult {
  readonly failure: VerificationFailure | null;
  /** Envoy-like words for UPSTREAM_TRANSPORT_FAILURE_REASON and the debug log; '' when it passed. */
  readonly reason: string;
}

/** What a side demands beyond the validation context. */
export interface PeerRules {
  /** A peer without a certificate is refused. */
  readonly required: boolean;
  /** What the peer's certificates must be meant for where they say what they are for. */
  readonly peer: 'client' | 'server';
  /** enforce_rsa_key_usage: an RSA certificate must be allowed to sign. */
  readonly enforcesRsaKeyUsage: boolean;
}

const passed: VerificationResult = { failure: null, reason: '' };

// A certificate costs its reader time, and the peer decides how much. Nobody's certificates come near these.
const MAX_LEAF_BYTES = 16 * 1024;
/** A smaller certificate has no room for a key above it. */
const BIG_KEY_BYTES = 1100;
const MAX_RSA_BITS = 8192;
/** OpenSSL's own; Envoy's default for max_verify_depth. */
const DEFAULT_MAX_DEPTH = 100;

interface CompiledSanMatcher {
  readonly sanType: SanMatcherData['sanType'];
  readonly matcher: StringMatcher;
  /** Lower-case name of an exact DNS matcher, which a wildcard in the certificate may cover; '' = none. */
  readonly exactDns: string;
}

/** A validation context ready to be applied to handshakes. */
export class PeerVerifier {
  readonly #context: ValidationContextData;
  readonly #rules: PeerRules;
  readonly #clock: Clock;
  readonly #sanMatchers: readonly CompiledSanMatcher[];
  /** Peers must be X.509-SVIDs: the SPIFFE validator, or names that are SPIFFE IDs. */
  readonly #wantsSvid: boolean;
  readonly #anchorsByDomain: ReadonlyMap<string, readonly X509Certificate[]> | null;
  readonly #revocations: RevocationLists | null;
  #anchors: readonly X509Certificate[] | null = null;

  constructor(context: ValidationContextData, rules: PeerRules, clock: Clock) {
    this.#context = context;
    this.#rules = rules;
    this.#clock = clock;
    this.#sanMatchers = context.sanMatchers.map(({ sanType, matcher }) => ({
      sanType,
      matcher: compileStringMatcher(matcher),
      exactDns: sanType === 'DNS' && matcher.kind === 'exact' ? matcher.value.toLowerCase() : '',
    }));
    this.#wantsSvid = context.spiffe !== null || context.sanMatchers.some(namesSpiffeIds);
    this.#anchorsByDomain =
      context.spiffe === null
        ? null
        : new Map(
            context.spiffe.map(({ name, trustBundlePem }) => [
              name,
              certificatesIn(trustBundlePem),
            ]),
          );
    const looksIntoLists = context.onlyVerifyLeafCertCrl || context.allowExpiredCertificate;
    this.#revocations =
      looksIntoLists && context.crlPem !== '' ? new RevocationLists(context.crlPem) : null;
  }

  /**
   * Judges a finished handshake. `leaf`: from the socket's first getPeerX509Certificate(). `chainError` is
   * OpenSSL's verdict on the chain, '' = good.
   */
  verify(
    leaf: X509Certificate | undefined,
    chainError: string,
    isResumed: boolean,
  ): VerificationResult {
    if (leaf === undefined) {
      return this.#rules.required
        ? { failure: 'fail_verify_no_cert', reason: 'TLS_error:peer did not present a certificate' }
        : passed;
    }
    const chainProblem = oversize(leaf) || this.#chainProblem(leaf, chainError, isResumed);
    if (chainProblem !== '') return refused('fail_verify_error', chainProblem);
    const names = subjectAltNames(leaf);
    if (this.#wantsSvid || this.#rules.enforcesRsaKeyUsage) {
      const problem = this.#leafProblem(leaf, names);
      if (problem !== '') return refused('fail_verify_error', problem);
    }
    if (!this.#pinMatches(leaf)) {
      return refused('fail_verify_cert_hash', 'certificate hash is not pinned');
    }
    if (this.#sanMatchers.length > 0 && !this.#sanMatches(names)) {
      return refused('fail_verify_san', 'verify SAN list');
    }
    return passed;
  }

  /** '' = the chain is good enough. */
  #chainProblem(leaf: X509Certificate, chainError: string, isResumed: boolean): string {
    const { trustedCaPem, systemRootCerts, spiffe, acceptUntrusted } = this.#context;
    const hasAnchors = trustedCaPem !== '' || systemRootCerts || spiffe !== null;
    if (!hasAnchors || (acceptUntrusted && spiffe === null)) return '';
    const { allowExpiredCertificate, maxVerifyDepth, onlyVerifyLeafCertCrl } = this.#context;
    const isExpiryOnly = chainError === 'CERT_HAS_EXPIRED' && allowExpiredCertificate;
    if (chainError !== '' && !isExpiryOnly) return chainError;
    if (isResumed) return this.#resumedProblem(leaf);
    // The error of an expiry comes last and hides what else was wrong: the path is looked for again.
    if (isExpiryOnly || spiffe !== null || maxVerifyDepth !== null) {
      const problem = this.#pathProblem(leaf);
      if (problem !== '') return problem;
    }
    return onlyVerifyLeafCertCrl ? this.#revocationProblem(leaf) : '';
  }

  /** The chain of a resumed session was good; time has gone on since. */
  #resumedProblem(leaf: X509Certificate): string {
    const nowMs = this.#clock.wallMs();
    if (nowMs < leaf.validFromDate.getTime()) return 'CERT_NOT_YET_VALID';
    const isExpired = nowMs > leaf.validToDate.getTime();
    return isExpired && !this.#context.allowExpiredCertificate ? 'CERT_HAS_EXPIRED' : '';
  }

  #pathProblem(leaf: X509Certificate): string {
    const { maxVerifyDepth, allowExpiredCertificate, onlyVerifyLeafCertCrl } = this.#context;
    const anchors = this.#anchorsFor(leaf);
    if (anchors === null) return 'no trust bundle of the trust domain';
    const path = findPath(leaf, sentIssuers(leaf, MAX_SENT_ISSUERS), anchors, {
      maxDepth: maxVerifyDepth ?? DEFAULT_MAX_DEPTH,
      nowMs: this.#clock.wallMs(),
      allowExpired: allowExpiredCertificate,
    });
    if (path === null) return 'no path to a trust anchor within the rules';
    if (!path.every((member) => isMeantFor(member, this.#rules.peer))) return 'INVALID_PURPOSE';
    if (this.#revocations === null || onlyVerifyLeafCertCrl) return '';
    for (const member of path.slice(0, Math.max(1, path.length - 1))) {
      const problem = this.#revocationProblem(member);
      if (problem !== '') return problem;
    }
    return '';
  }

  #anchorsFor(leaf: X509Certificate): readonly X509Certificate[] | null {
    if (this.#anchorsByDomain === null) {
      this.#anchors ??= this.#context.systemRootCerts
        ? getCACertificates('system').flatMap(certificatesIn)
        : trustAnchors(this.#context);
      return this.#anchors;
    }
    const [id = ''] = subjectAltNames(leaf).uri;
    return this.#anchorsByDomain.get(trustDomainOf(id)) ?? null;
  }

  #revocationProblem(certificate: X509Certificate): string {
    if (this.#revocations === null) return '';
    const facts = certificateFacts(certificate);
    const revoked = facts === null ? null : this.#revocations.isRevoked(facts);
    if (revoked === null) return 'UNABLE_TO_GET_CRL';
    return revoked ? 'CERT_REVOKED' : '';
  }

  #leafProblem(leaf: X509Certificate, names: SubjectAltNames): string {
    const facts = certificateFacts(leaf);
    if (facts === null) return 'unreadable certificate';
    if (
      this.#rules.enforcesRsaKeyUsage &&
      leaf.publicKey.asymmetricKeyType === 'rsa' &&
      !allowsUsage(facts, KeyUsageBit.digitalSignature)
    ) {
      return 'KEY_USAGE_BIT_INCORRECT';
    }
    return this.#wantsSvid ? svidProblem(leaf, facts, names.uri) : '';
  }

  #pinMatches(certificate: X509Certificate): boolean {
    const { verifyCertificateHash, verifyCertificateSpki } = this.#context;
    if (verifyCertificateHash.length === 0 && verifyCertificateSpki.length === 0) return true;
    const hash = createHash('sha256').update(certificate.raw).digest('hex');
    if (verifyCertificateHash.includes(hash)) return true;
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    return verifyCertificateSpki.includes(createHash('sha256').update(spki).digest('base64'));
  }

  #sanMatches(names: SubjectAltNames): boolean {
    for (const { sanType, matcher, exactDns } of this.#sanMatchers) {
      const candidates =
        sanType === 'URI'
          ? names.uri
          : sanType === 'DNS'
            ? names.dns
            : sanType === 'IP_ADDRESS'
              ? names.ip
              : names.email;
      for (const candidate of candidates) {
        if (matcher.match(candidate)) return true;
        if (exactDns !== '' && wildcardCovers(candidate, exactDns)) return true;
      }
    }
    return false;
  }
}

/** `*.orders.test` covers `a.orders.test`: one label, the first, as in Envoy. */
function wildcardCovers(candidate: string, name: string): boolean {
  if (!candidate.startsWith('*.')) return false;
  const dot = name.indexOf('.');
  return dot > 0 && name.slice(dot) === candidate.slice(1).toLowerCase();
}

/** id-kp-clientAuth and id-kp-serverAuth, RFC 5280 4.2.1.12. */
const PURPOSE_OID = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;

/** As OpenSSL: the extension may be absent, on the leaf and above it; anyExtendedKeyUsage does not count. */
function isMeantFor(certificate: X509Certificate, peer: 'client' | 'server'): boolean {
  // Node's name for the extended key usage; undefined, whatever its types say, when there is none.
  const purposes: readonly string[] | undefined = certificate.keyUsage;
  return purposes === undefined || purposes.includes(PURPOSE_OID[peer]);
}

/** A matcher that can only mean SPIFFE IDs: then two names in one certificate are one too many. */
function namesSpiffeIds({ sanType, matcher }: SanMatcherData): boolean {
  return (
    sanType === 'URI' &&
    (matcher.kind === 'exact' || matcher.kind === 'prefix') &&
    matcher.value.startsWith('spiffe://')
  );
}

function oversize(leaf: X509Certificate): string {
  const { length } = leaf.raw;
  if (length > MAX_LEAF_BYTES) return `certificate of ${length} bytes`;
  if (sentIssuers(leaf, MAX_SENT_ISSUERS + 1).length > MAX_SENT_ISSUERS) {
    return `more than ${MAX_SENT_ISSUERS} certificates in the chain`;
  }
  if (length < BIG_KEY_BYTES) return '';
  const { modulusLength = 0 } = leaf.publicKey.asymmetricKeyDetails ?? {};
  return modulusLength > MAX_RSA_BITS ? `RSA key of ${modulusLength} bits` : '';
}

/** Envoy prints BoringSSL's error line here; ours keeps its greppable part. */
function refused(failure: VerificationFailure, what: string): VerificationResult {
  return { failure, reason: `TLS_error:CERTIFICATE_VERIFY_FAILED:verify cert failed: ${what}` };
}
