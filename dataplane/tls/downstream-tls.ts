// TLS of one filter chain: handshakes on accepted sockets, client certificates checked, secrets current.
// Used by listener/connection-handler.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { DownstreamTlsConfig } from '../api/config/tls.ts';
import type { TlsInfo } from '../api/connection.ts';
import { PeerVerifier } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { type CurrentContext, SecureContextSource } from './secure-context.ts';
import { startServerHandshake } from './server-handshake.ts';
import type { SslStats } from './ssl-stats.ts';
import { SocketTlsInfo } from './tls-info.ts';

export interface DownstreamHandshakeCallbacks {
  /** The client passed every check; plaintext may flow. */
  onSecure(socket: TLSSocket, info: TlsInfo): void;
  /** Refused or failed; the socket is closed already. */
  onRefused(reason: string): void;
}

/** One per filter chain and worker. */
export class DownstreamTlsContext {
  readonly #config: DownstreamTlsConfig;
  readonly #stats: SslStats;
  readonly #source: SecureContextSource;
  #verifierOf: CurrentContext | null = null;
  #verifier: PeerVerifier | null = null;

  constructor(config: DownstreamTlsConfig, secrets: SecretStore, stats: SslStats) {
    this.#config = config;
    this.#stats = stats;
    this.#source = new SecureContextSource(config, secrets);
  }

  /** False while an SDS secret has not arrived; the listener is not warm then. */
  isReady(): boolean {
    return this.#source.current() !== null;
  }

  /**
   * Handshakes on `socket`. `clientAlpn`: what the ClientHello offered if a listener filter saw it, null
   * if not. Without a protocol in common no ALPN is answered and the connection goes on, as in Envoy
   * (OpenSSL left alone would abort it).
   */
  accept(
    socket: Socket,
    serverName: string,
    clientAlpn: readonly string[] | null,
    callbacks: DownstreamHandshakeCallbacks,
  ): void {
    const context = this.#current();
    if (context === null) {
      this.#stats.connectionError++;
      socket.destroy();
      callbacks.onRefused('TLS_error:Secret is not supplied by SDS');
      return;
    }
    if (this.#config.requireSni && serverName === '') {
      this.#stats.connectionError++;
      socket.destroy();
      callbacks.onRefused('TLS_error:SNI required');
      return;
    }
    const { alpnProtocols } = this.#config;
    const overlaps = clientAlpn === null || alpnProtocols.some((name) => clientAlpn.includes(name));
    const verifier = this.#verifier;
    startServerHandshake(
      socket,
      {
        secureContext: context.secureContext,
        alpnProtocols: overlaps ? alpnProtocols : [],
        requestCertificate: verifier !== null,
      },
      {
        onSecure: (tlsSocket, chainError) => {
          const result = verifier?.verify(tlsSocket, chainError) ?? null;
          if (result !== null && result.failure !== null) {
            this.#stats.countFailure(result.failure);
            this.#stats.connectionError++;
            tlsSocket.destroy();
            callbacks.onRefused(result.reason);
            return;
          }
          this.#stats.handshake++;
          const info = new SocketTlsInfo(tlsSocket, serverName, verifier !== null);
          if (!info.peerCertificatePresented) this.#stats.noCertificate++;
          callbacks.onSecure(tlsSocket, info);
        },
        onFailed: (reason) => {
          this.#stats.connectionError++;
          callbacks.onRefused(reason);
        },
      },
    );
  }

  close(): void {
    this.#source.close();
  }

  #current(): CurrentContext | null {
    const context = this.#source.current();
    if (this.#source.lastError !== '') this.#stats.contextUpdateFailed++;
    if (context === null || context === this.#verifierOf) return context;
    this.#verifierOf = context;
    const required = this.#config.requireClientCertificate;
    this.#verifier =
      context.validation === null && !required
        ? null
        : new PeerVerifier(context.validation ?? acceptAny, required);
    return context;
  }
}

/** require_client_certificate without a validation context: any certificate will do, but one must come. */
const acceptAny = {
  trustedCaPem: '',
  crlPem: '',
  sanMatchers: [],
  verifyCertificateHash: [],
  verifyCertificateSpki: [],
  allowExpiredCertificate: false,
  acceptUntrusted: true,
};
