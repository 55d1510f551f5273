// A path from a peer's certificate to one of some trust anchors, found again after OpenSSL's verification
// because Node does not tell which path that took. Only ever narrows OpenSSL's verdict: to the anchors of one
// trust domain, to a depth, or past an expiry that is allowed.

import type { X509Certificate } from 'node:crypto';
import { allowsUsage, certificateFacts, KeyUsageBit } from './certificate-facts.ts';

/** Signature checks in one search; more than any honest chain needs, little for a hostile one. */
const MAX_STEPS = 32;
/** Certificates above the leaf that a peer may send; nobody's chain comes near. */
export const MAX_SENT_ISSUERS = 16;

export interface PathRules {
  /** Certificates above the leaf, anchor included. */
  readonly maxDepth: number;
  readonly nowMs: number;
  /** allow_expired_certificate: dates in the past are no obstacle. */
  readonly allowExpired: boolean;
}

/**
 * What the peer sent with its certificate, in its order; at most `limit` are looked at. `leaf` must come from
 * the socket's first getPeerX509Certificate(): Node takes the chain away from OpenSSL there.
 */
export function sentIssuers(leaf: X509Certificate, limit: number): readonly X509Certificate[] {
  const issuers: X509Certificate[] = [];
  let next = leaf.issuerCertificate;
  while (next !== undefined && issuers.length < limit) {
    issuers.push(next);
    next = next.issuerCertificate;
  }
  return issuers;
}

/** The shortest-first path, leaf and anchor included; null when there is none within the rules. */
export function findPath(
  leaf: X509Certificate,
  issuers: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  rules: PathRules,
): readonly X509Certificate[] | null {
  return new Search(issuers, anchors, rules).from([leaf]);
}

class Search {
  readonly #issuers: readonly X509Certificate[];
  readonly #anchors: readonly X509Certificate[];
  readonly #rules: PathRules;
  #steps = 0;

  constructor(
    issuers: readonly X509Certificate[],
    anchors: readonly X509Certificate[],
    rules: PathRules,
  ) {
    this.#issuers = issuers;
    this.#anchors = anchors;
    this.#rules = rules;
  }

  from(path: readonly X509Certificate[]): readonly X509Certificate[] | null {
    const last = path[path.length - 1]!; // a path has at least the leaf
    if (!this.#isValidNow(last)) return null;
    // Partial chains are fine: an anchor need not be a root.
    if (this.#anchors.some((anchor) => anchor.raw.equals(last.raw))) return path;
    if (path.length > this.#rules.maxDepth) return null;
    for (const anchor of this.#anchors) {
      if (this.#issued(anchor, path) && this.#isValidNow(anchor)) return [...path, anchor];
    }
    for (const issuer of this.#issuers) {
      if (path.some((member) => member.raw.equals(issuer.raw))) continue;
      if (!this.#issued(issuer, path)) continue;
      const found = this.from([...path, issuer]);
      if (found !== null) return found;
    }
    return null;
  }

  #issued(issuer: X509Certificate, path: readonly X509Certificate[]): boolean {
    const last = path[path.length - 1]!; // as above
    if (!issuer.ca || !last.checkIssued(issuer) || ++this.#steps > MAX_STEPS) return false;
    const facts = certificateFacts(issuer);
    if (facts === null || !allowsUsage(facts, KeyUsageBit.keyCertSign)) return false;
    // Who constrains names trusts OpenSSL to apply that, and this search is not OpenSSL: fail closed.
    if (facts.hasNameConstraints) return false;
    if (facts.pathLength !== null && path.length - 1 > facts.pathLength) return false;
    return last.verify(issuer.publicKey);
  }

  #isValidNow({ validFromDate, validToDate }: X509Certificate): boolean {
    const { nowMs, allowExpired } = this.#rules;
    return validFromDate.getTime() <= nowMs && (allowExpired || nowMs <= validToDate.getTime());
  }
}
