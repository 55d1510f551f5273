// SDS resources: a node's certificate with its key, and the roots it trusts.

import type { SecretProto } from '../../proto/gen/types.ts';
import { IDENTITY_SECRET, ROOTS_SECRET } from './names.ts';

/** What the CA issued for one node, PEM. */
export interface NodeCertificate {
  /** Leaf first; the root is not in it. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  /** Every root that is trusted now (two while the root changes). */
  readonly rootsPem: string;
}

export function translateIdentity(certificate: NodeCertificate): SecretProto {
  return {
    name: IDENTITY_SECRET,
    tls_certificate: {
      certificate_chain: { inline_string: certificate.certificateChainPem },
      private_key: { inline_string: certificate.privateKeyPem },
    },
  };
}

export function translateRoots(rootsPem: string): SecretProto {
  return { name: ROOTS_SECRET, validation_context: { trusted_ca: { inline_string: rootsPem } } };
}
