// From a fingerprint to a root certificate: asks the control plane for its chain and keeps the certificate
// whose public key has the fingerprint. Nothing else of that first connection is believed, and nothing is
// sent over it; the real connections then verify the chain to that root and the SPIFFE id in the leaf.

import { createHash, X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import tls from 'node:tls';
import { CodedError } from '../../common/coded-error.ts';
import { CONTROL_PLANE_ID_PATH } from '../../proto/join.ts';

const TIMEOUT_MS = 5000;
const MAX_CHAIN = 8;

/** PEM of the root. Rejects with code `unreachable`, or `wrong-ca` when no certificate has the fingerprint. */
export function fetchTrustAnchor(host: string, port: number, fingerprint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // The chain is judged by hand below.
    const socket = tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    const fail = (code: string, message: string) => {
      socket.destroy();
      reject(new CodedError(code, message));
    };
    socket.setTimeout(TIMEOUT_MS, () => fail('unreachable', `${host}:${port} does not answer`));
    socket.on('error', (error) => fail('unreachable', `${host}:${port}: ${error.message}`));
    socket.on('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      socket.destroy();
      const root = chain.find((certificate) => spkiFingerprint(certificate) === fingerprint);
      if (root === undefined) {
        reject(
          new CodedError(
            'wrong-ca',
            `the control plane at ${host}:${port} is of another mesh than the token (no certificate of its chain has the CA fingerprint ${fingerprint}); get a new token with: remora ctl token`,
          ),
        );
      } else resolve(root.toString());
    });
  });
}

/** Whether that certificate's public key has the fingerprint. `pem` is one certificate. */
export function hasFingerprint(pem: string, fingerprint: string): boolean {
  try {
    return spkiFingerprint(new X509Certificate(pem)) === fingerprint;
  } catch {
    // No certificate at all.
    return false;
  }
}

function chainOf(peer: PeerCertificate | tls.DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let current: PeerCertificate | tls.DetailedPeerCertificate | undefined = peer;
  // The last one is its own issuer.
  while (current?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(current.raw));
    const issuer: tls.DetailedPeerCertificate | undefined =
      'issuerCertificate' in current ? current.issuerCertificate : undefined;
    if (issuer === undefined || issuer === current) break;
    current = issuer;
  }
  return chain;
}

function spkiFingerprint(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

/**
 * For TLS connections to the control plane, instead of a host name check: its identity is its SPIFFE id,
 * wherever it is reached. Every workload has a certificate of the same root, so the path must match.
 */
export function checkControlPlaneIdentity(
  _host: string,
  certificate: PeerCertificate,
): Error | undefined {
  const uris = (certificate.subjectaltname ?? '')
    .split(', ')
    .filter((name) => name.startsWith('URI:'))
    .map((name) => name.slice('URI:'.length));
  const [uri] = uris;
  const isControlPlane =
    uris.length === 1 &&
    uri !== undefined &&
    /^spiffe:\/\/[a-z0-9._-]+$/.test(uri.slice(0, -CONTROL_PLANE_ID_PATH.length)) &&
    uri.endsWith(CONTROL_PLANE_ID_PATH);
  return isControlPlane
    ? undefined
    : new Error(
        `the peer is not a control plane: its certificate is for ${uris.join(', ') || 'nobody'}`,
      );
}
