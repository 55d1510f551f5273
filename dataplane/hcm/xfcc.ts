// x-forwarded-client-cert (headers.rst "x-forwarded-client-cert"): elements `By;Hash;Subject;URI;DNS`
// separated by ';', one set per proxy on the way, separated by ','.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { TlsInfo } from '../api/connection.ts';
import { getJoinedField, type RequestHeaders, removeField, setField } from '../api/headers.ts';

type Details = HcmConfig['setCurrentClientCertDetails'];

/** Applies forward_client_cert_details to a request that came over `tls` (null = plaintext). */
export function forwardedClientCert(
  headers: RequestHeaders,
  tls: TlsInfo | null,
  config: HcmConfig,
): void {
  const mode = config.forwardClientCertDetails;
  if (mode === 'ALWAYS_FORWARD_ONLY') return;
  const { fields } = headers;
  if (mode === 'SANITIZE' || tls === null || !tls.peerCertificatePresented) {
    removeField(fields, 'x-forwarded-client-cert');
    return;
  }
  if (mode === 'FORWARD_ONLY') return;
  const current = describeClient(tls, config.setCurrentClientCertDetails);
  const former =
    mode === 'APPEND_FORWARD' ? getJoinedField(fields, 'x-forwarded-client-cert') : null;
  setField(
    fields,
    'x-forwarded-client-cert',
    former === null || former === '' ? current : `${former},${current}`,
  );
}

// The text depends on the connection only; a connection's TlsInfo is one object for its life.
const described = new WeakMap<TlsInfo, { readonly details: Details; readonly text: string }>();

function describeClient(tls: TlsInfo, details: Details): string {
  const cached = described.get(tls);
  if (cached !== undefined && cached.details === details) return cached.text;
  const elements: string[] = [];
  for (const uri of tls.uriSanLocalCertificate) elements.push(`By=${uri}`);
  if (tls.sha256PeerCertificateDigest !== '') {
    elements.push(`Hash=${tls.sha256PeerCertificateDigest}`);
  }
  // Envoy writes Subject and URI even when they are empty.
  if (details.subject) elements.push(`Subject="${tls.subjectPeerCertificate}"`);
  if (details.uri) {
    if (tls.uriSanPeerCertificate.length === 0) elements.push('URI=');
    for (const uri of tls.uriSanPeerCertificate) elements.push(`URI=${uri}`);
  }
  if (details.dns) for (const dns of tls.dnsSansPeerCertificate) elements.push(`DNS=${dns}`);
  const text = elements.join(';');
  described.set(tls, { details, text });
  return text;
}
