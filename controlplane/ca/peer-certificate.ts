// Whose certificate is it? For xDS clients that prove themselves with the certificate that the mesh gave them instead of
// a token. The TLS handshake has shown that they hold its key, and that one of our roots signed it. A stream may begin
// long after that, and a leaf is good for one name only: looked at again here (X509-SVID, sections 2 and 5).

import { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '../../common/result.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const URI_SAN = /^URI:(.+)$/;

/**
 * The SPIFFE id of a leaf that one of the roots has signed and that is valid now; else why it counts for nothing, fit
 * to be told to its holder. Our leafs are signed by a root itself; chains over others are not ours.
 */
export function spiffeIdOfPeer(
  der: Uint8Array,
  rootsPem: string,
  nowMs: number,
): Result<string, string> {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(der);
  } catch {
    return err('the client certificate cannot be read'); // whatever came before the handshake's own check
  }
  const roots = (rootsPem.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
  const isOurs = roots.some((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey));
  if (!isOurs || leaf.ca) return err('the client certificate was not issued by this mesh');
  if (nowMs < leaf.validFromDate.getTime()) return err('the client certificate is not valid yet');
  if (nowMs >= leaf.validToDate.getTime()) {
    return err(`the client certificate expired at ${leaf.validToDate.toISOString()}`);
  }
  const uris = (leaf.subjectAltName ?? '').split(', ').flatMap((name) => {
    return URI_SAN.exec(name)?.[1] ?? [];
  });
  const [id, ...others] = uris;
  if (id === undefined || others.length > 0) {
    return err('the client certificate does not have exactly one URI name');
  }
  return ok(id);
}
