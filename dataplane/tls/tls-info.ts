// TlsInfo of a live TLS socket. Certificates are parsed at first use and the result is kept, because
// most connections are never asked and RBAC asks on every request.

import { createHash, X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { TlsInfo } from '../api/connection.ts';
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
  /** For what is asked rarely. */
  readonly #socket: TLSSocket;
  readonly #peer: X509Certificate | undefined;
  readonly #local: X509Certificate | undefined;
  #peerNames: SubjectAltNames | null = null;
  #localNames: SubjectAltNames | null = null;
  #chain: readonly string[] | null = null;

  /** `validated`: the peer's certificate passed every configured check (and there was one). */
  constructor(socket: TLSSocket, serverName: string, validated: boolean) {
    this.version = socket.getProtocol() ?? '';
    this.cipherSuite = socket.getCipher()?.name ?? '';
    this.alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
    this.sni = serverName;
    this.#socket = socket;
    this.#peer = socket.getPeerX509Certificate();
    this.#local = socket.getX509Certificate();
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
    this.#chain ??= this.#peer === undefined ? [] : chainOf(this.#socket.getPeerCertificate(true));
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

/**
 * OpenSSL completes what the peer sent up to the trusted root and does not tell where it began to, so a root
 * is left out, sent or not.
 */
function chainOf(leaf: DetailedPeerCertificate): string[] {
  const pems: string[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  // The types do not say that a session without a known issuer has no such field, nor that it may be empty.
  while (certificate?.raw !== undefined) {
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    const isRoot = issuer === certificate;
    if (!isRoot || pems.length === 0) pems.push(new X509Certificate(certificate.raw).toString());
    if (isRoot) break;
    certificate = issuer;
  }
  return pems;
}

/** Node gives one attribute per line, first to last; RFC 2253 is comma-joined, last to first. */
function rfc2253(lines: string | undefined): string {
  if (lines === undefined || lines === '') return '';
  return lines.split('\n').reverse().join(',');
}
