// Certificate revocation lists as sets to look into, for the cases that OpenSSL's own check does not cover:
// only_verify_leaf_cert_crl, and chains whose verdict an allowed expiry has overwritten.

import { DerTag, derSequence, integerHex, pemBlocks } from '../../common/der.ts';
import type { CertificateFacts } from './certificate-facts.ts';

/** Serial numbers by issuer, of all CRLs of one validation context. */
export class RevocationLists {
  readonly #serialsByIssuer = new Map<string, Set<string>>();

  /** A CRL that cannot be read is left out: the compiler has refused those that OpenSSL cannot read. */
  constructor(pem: string) {
    for (const der of pemBlocks(pem, 'X509 CRL')) this.#add(der);
  }

  /** Null = no list of this issuer. */
  isRevoked({ issuer, serialNumber }: CertificateFacts): boolean | null {
    const serials = this.#serialsByIssuer.get(issuer.toString('hex'));
    return serials === undefined ? null : serials.has(serialNumber);
  }

  #add(der: Buffer): void {
    const [tbs] = derSequence(der) ?? [];
    const fields = tbs === undefined ? null : derSequence(tbs.raw);
    if (fields === null) return;
    // version is optional; then signature, issuer, thisUpdate, nextUpdate?, revokedCertificates?
    const first = fields[0]?.tag === DerTag.Integer ? 1 : 0;
    const issuer = fields[first + 1];
    if (issuer === undefined) return;
    const key = issuer.raw.toString('hex');
    const serials = this.#serialsByIssuer.get(key) ?? new Set<string>();
    this.#serialsByIssuer.set(key, serials);
    const revoked = fields.slice(first + 2).find(({ tag }) => tag === DerTag.Sequence);
    for (const entry of revoked === undefined ? [] : (derSequence(revoked.raw) ?? [])) {
      serials.add(integerHex(derSequence(entry.raw)?.[0]));
    }
  }
}
