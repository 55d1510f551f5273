// Whether a peer's certificate satisfies a validation context. OpenSSL checks chain, dates, purpose and
// CRL during the handshake; names and pins are checked here, after it and before any byte is let through.

import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { SanMatcherData, ValidationContextData } from '../api/config/tls.ts';
import { compileStringMatcher, type StringMatcher } from '../matcher/string-matcher.ts';
import { subjectAltNames } from './subject-alt-names.ts';

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

const passed: VerificationResult = { failure: null, reason: '' };

interface CompiledSanMatcher {
  readonly sanType: SanMatcherData['sanType'];
  readonly matcher: StringMatcher;
}

/** A validation context ready to be applied to handshakes. */
export class PeerVerifier {
  readonly #context: ValidationContextData;
  readonly #required: boolean;
  readonly #sanMatchers: readonly CompiledSanMatcher[];

  /** `required`: a peer without a certificate is refused. */
  constructor(context: ValidationContextData, required: boolean) {
    this.#context = context;
    this.#required = required;
    this.#sanMatchers = context.sanMatchers.map(({ sanType, matcher }) => ({
      sanType,
      matcher: compileStringMatcher(matcher),
    }));
  }

  /** Judges a finished handshake; `chainError` is OpenSSL's verdict on the chain, '' = good. */
  verify(socket: TLSSocket, chainError: string): VerificationResult {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) {
      return this.#required
        ? { failure: 'fail_verify_no_cert', reason: 'TLS_error:peer did not present a certificate' }
        : passed;
    }
    if (!this.#acceptsChain(chainError)) {
      return { failure: 'fail_verify_error', reason: verifyFailed(chainError) };
    }
    if (!this.#pinMatches(certificate)) {
      return {
        failure: 'fail_verify_cert_hash',
        reason: verifyFailed('certificate hash is not pinned'),
      };
    }
    if (this.#sanMatchers.length > 0 && !this.#sanMatches(certificate)) {
      return { failure: 'fail_verify_san', reason: verifyFailed('verify SAN list') };
    }
    return passed;
  }

  #acceptsChain(chainError: string): boolean {
    if (this.#context.trustedCaPem === '' || this.#context.acceptUntrusted) return true;
    if (chainError === '') return true;
    return chainError === 'CERT_HAS_EXPIRED' && this.#context.allowExpiredCertificate;
  }

  #pinMatches(certificate: X509Certificate): boolean {
    const { verifyCertificateHash, verifyCertificateSpki } = this.#context;
    if (verifyCertificateHash.length === 0 && verifyCertificateSpki.length === 0) return true;
    const hash = createHash('sha256').update(certificate.raw).digest('hex');
    if (verifyCertificateHash.includes(hash)) return true;
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    return verifyCertificateSpki.includes(createHash('sha256').update(spki).digest('base64'));
  }

  #sanMatches(certificate: X509Certificate): boolean {
    const names = subjectAltNames(certificate);
    for (const { sanType, matcher } of this.#sanMatchers) {
      const candidates =
        sanType === 'URI'
          ? names.uri
          : sanType === 'DNS'
            ? names.dns
            : sanType === 'IP_ADDRESS'
              ? names.ip
              : names.email;
      for (const candidate of candidates) if (matcher.match(candidate)) return true;
    }
    return false;
  }
}

/** Envoy prints BoringSSL's error line here; ours keeps its greppable part. */
function verifyFailed(what: string): string {
  return `TLS_error:CERTIFICATE_VERIFY_FAILED:verify cert failed: ${what}`;
}
