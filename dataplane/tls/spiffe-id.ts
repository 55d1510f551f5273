// SPIFFE IDs and what an X.509-SVID must be (SPIFFE-ID 2, X509-SVID 4 and 5.2). Strict: an identity that two
// programs could read differently is none.

import type { X509Certificate } from 'node:crypto';
import { allowsUsage, type CertificateFacts, KeyUsageBit } from './certificate-facts.ts';

const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;
const scheme = 'spiffe://';

/** `mesh.test` of `spiffe://mesh.test/ns/a`; '' when the text is no SPIFFE ID of a workload. */
export function trustDomainOf(id: string): string {
  if (id.length > MAX_ID_BYTES || !id.startsWith(scheme)) return '';
  const slash = id.indexOf('/', scheme.length);
  if (slash === -1) return ''; // the ID of a trust domain itself
  const trustDomain = id.slice(scheme.length, slash);
  if (trustDomain.length > MAX_TRUST_DOMAIN_BYTES || !/^[a-z0-9._-]+$/.test(trustDomain)) return '';
  const segments = id.slice(slash + 1).split('/');
  const isPath = segments.every(
    (segment) => /^[a-zA-Z0-9._-]+$/.test(segment) && segment !== '.' && segment !== '..',
  );
  return isPath ? trustDomain : '';
}

/** Why the leaf is no X.509-SVID; '' when it is one. */
export function svidProblem(
  leaf: X509Certificate,
  facts: CertificateFacts,
  uriNames: readonly string[],
): string {
  if (uriNames.length !== 1) return `${uriNames.length} URI SANs instead of one`;
  if (trustDomainOf(uriNames[0] ?? '') === '') return 'the URI SAN is not a SPIFFE ID';
  if (leaf.ca) return 'a leaf must not be a CA';
  if (facts.keyUsage === null) return '';
  if (allowsUsage(facts, KeyUsageBit.keyCertSign)) return 'a leaf must not have keyCertSign';
  return allowsUsage(facts, KeyUsageBit.cRLSign) ? 'a leaf must not have cRLSign' : '';
}
