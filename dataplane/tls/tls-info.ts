// TlsInfo of a live TLS socket. Certificates are parsed at first use and the result is kept, because
// most connections are never asked and RBAC asks on every request.

import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { TlsInfo } from '../api/connection.ts';
import { MAX_SENT_ISSUERS, sentIssuers } from './certificate-path.ts';
import { type SubjectAltNames, subjectAltNames } from './subject-alt-names.ts';

const noNames: SubjectAltNames = { dns: [], uri: [], ip: [], email: [] };

/** Facts of one finished handshake. */
export class SocketTlsInfo implements TlsInfo {
  readonly version: string;
  readonly cipherSuite: string;
  readonly alpn: string;
  readonly sni: string;
  readonly peerCertificatePresented: boolean;
  readonly peerCertificateValidated: boolean;
  readonly #peer: X509Certificate | undefined;
  readonly #local: X509Certificate | undefined;
  #peerNames: SubjectAltNames | null = null;
  #localNames: SubjectAltNames | null = null;
  #chain: readonly string[] | null = null;

  /**
   * `peer`: what getPeerX509Certificate() gave, which tells the chain at its first call only. `local`: null =
   * ask the socket. `validated`: the peer's certificate passed every configured check (and there was one).
   */
  constructor(
    socket: TLSSocket,
    serverName: string,
    peer: X509Certificate | undefined,
    local: X509Certificate | null,
    validated: boolean,
  ) {
    this.version = socket.getProtocol() ?? '';
    this.cipherSuite = socket.getCipher()?.name ?? '';
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
    this.sni = serverName;
    this.#peer = peer;
    this.#local = local ?? socket.getX509Certificate();
    this.peerCertificatePresented = this.#peer !== undefined;
    this.peerCertificateValidated = validated && this.#peer !== undefined;
  }

  get uriSanPeerCertificate(): readonly string[] {
    return this.#peerSans().uri;
  }

  get dnsSansPeerCertificate(): readonly string[] {
    return this.#peerSans().dns;
  }

  get subjectPeerCertificate(): string {
    return rfc2253(this.#peer?.subject);
  }

  get issuerPeerCertificate(): string {
    return rfc2253(this.#peer?.issuer);
  }

  get serialNumberPeerCertificate(): string {
    return this.#peer?.serialNumber.toLowerCase() ?? '';
  }

  get sha256PeerCertificateDigest(): string {
    if (this.#peer === undefined) return '';
    return createHash('sha256').update(this.#peer.raw).digest('hex');
  }

  get pemPeerCertificate(): string {
    return this.#peer?.toString() ?? '';
  }

  get pemPeerCertificateChain(): readonly string[] {
    this.#chain ??= this.#peer === undefined ? [] : chainOf(this.#peer);
    return this.#chain;
  }

  get uriSanLocalCertificate(): readonly string[] {
    this.#localNames ??= this.#local === undefined ? noNames : subjectAltNames(this.#local);
    return this.#localNames.uri;
  }

  get subjectLocalCertificate(): string {
    return rfc2253(this.#local?.subject);
  }

  #peerSans(): SubjectAltNames {
    this.#peerNames ??= this.#peer === undefined ? noNames : subjectAltNames(this.#peer);
    return this.#peerNames;
  }
}

/** As sent, without a root: who trusts it has it, and Envoy does not pass it on either. */
function chainOf(leaf: X509Certificate): string[] {
  const issuers = sentIssuers(leaf, MAX_SENT_ISSUERS);
  const above = issuers.filter((issuer) => !issuer.checkIssued(issuer));
  return [leaf, ...above].map(String);
}

/** Node gives one attribute per line, first to last; RFC 2253 is comma-joined, last to first. */
function rfc2253(lines: string | undefined): string {
  if (lines === undefined || lines === '') return '';
  return lines.split('\n').reverse().join(',');
}
