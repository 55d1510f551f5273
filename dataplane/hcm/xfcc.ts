// x-forwarded-client-cert (headers.rst "x-forwarded-client-cert"): elements
// `By;Hash;Cert;Chain;Subject;URI;DNS;Issuer` separated by ';', one set per proxy on the way, separated by ','.
// Or, where the format says so, a JSON array with an object per proxy.

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
  const details = config.setCurrentClientCertDetails;
  const current = describeClient(tls, details);
  const former =
    mode === 'APPEND_FORWARD' ? getJoinedField(fields, 'x-forwarded-client-cert') : null;
  setField(
    fields,
    'x-forwarded-client-cert',
    former === null || former === '' ? current : appended(former, current, tls, details),
  );
}

/** As in Envoy the form of what a former proxy said goes on, whatever ours is: a list has one form. */
function appended(former: string, current: string, tls: TlsInfo, details: Details): string {
  if (former.startsWith('[') && former.endsWith(']')) {
    const others = former.slice(1, -1);
    return `[${others === '' ? '' : `${others},`}${describeAsJson(tls, details)}]`;
  }
  return `${former},${details.format === 'TEXT' ? current : describeAsText(tls, details)}`;
}

// The text depends on the connection only; a connection's TlsInfo is one object for its life.
const described = new WeakMap<TlsInfo, { readonly details: Details; readonly text: string }>();

function describeClient(tls: TlsInfo, details: Details): string {
  const cached = described.get(tls);
  if (cached !== undefined && cached.details === details) return cached.text;
  const text =
    details.format === 'TEXT' ? describeAsText(tls, details) : `[${describeAsJson(tls, details)}]`;
  described.set(tls, { details, text });
  return text;
}

function describeAsText(tls: TlsInfo, details: Details): string {
  const elements: string[] = [];
  for (const uri of tls.uriSanLocalCertificate) elements.push(`By=${uri}`);
  if (tls.sha256PeerCertificateDigest !== '') {
    elements.push(`Hash=${tls.sha256PeerCertificateDigest}`);
  }
  if (details.cert) elements.push(`Cert="${encodeURIComponent(tls.pemPeerCertificate)}"`);
  if (details.chain)
    elements.push(`Chain="${encodeURIComponent(tls.pemPeerCertificateChain.join(''))}"`);
  // Envoy writes Subject and URI even when they are empty.
  if (details.subject) elements.push(`Subject="${tls.subjectPeerCertificate}"`);
  if (details.uri) {
    if (tls.uriSanPeerCertificate.length === 0) elements.push('URI=');
    for (const uri of tls.uriSanPeerCertificate) elements.push(`URI=${uri}`);
  }
  if (details.dns) for (const dns of tls.dnsSansPeerCertificate) elements.push(`DNS=${dns}`);
  if (details.issuer) elements.push(`Issuer="${tls.issuerPeerCertificate}"`);
  return elements.join(';');
}

function describeAsJson(tls: TlsInfo, details: Details): string {
  const element: Record<string, string | readonly string[]> = {};
  if (tls.uriSanLocalCertificate.length > 0) element['by'] = tls.uriSanLocalCertificate;
  element['hash'] = tls.sha256PeerCertificateDigest;
  if (details.cert) element['cert'] = tls.pemPeerCertificate;
  if (details.chain) element['chain'] = tls.pemPeerCertificateChain;
  if (details.subject) element['subject'] = tls.subjectPeerCertificate;
  if (details.uri) element['uri'] = tls.uriSanPeerCertificate;
  if (details.dns) element['dns'] = tls.dnsSansPeerCertificate;
  if (details.issuer) element['issuer'] = tls.issuerPeerCertificate;
  return JSON.stringify(element);
}
