// TLS of one filter chain: handshakes on accepted sockets, client certificates checked, secrets current.
// Used by listener/accepting-connection.

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { type DownstreamTlsConfig, noValidation } from '../api/config/tls.ts';
import type { TlsInfo } from '../api/connection.ts';
import { KeyLog } from './key-log.ts';
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

/** What follows from one CurrentContext, made once per context. */
interface Prepared {
  readonly context: CurrentContext;
  /** Null = clients are not asked for a certificate. */
  readonly verifier: PeerVerifier | null;
  /** Hands out the staple; null = there is none. */
  readonly ocspServer: tls.Server | null;
}

/** What a finished handshake told. */
interface HandshakeFacts {
  readonly peer: X509Certificate | undefined;
  readonly chainError: string;
  /** What a listener filter saw; '' = nothing. */
  readonly serverName: string;
}

/** One per filter chain and worker. */
export class DownstreamTlsContext {
  readonly #config: DownstreamTlsConfig;
  readonly #secrets: SecretStore;
  readonly #stats: SslStats;
  readonly #source: SecureContextSource;
  readonly #keyLog: KeyLog | null;
  #prepared: Prepared | null = null;

  constructor(config: DownstreamTlsConfig, secrets: SecretStore, stats: SslStats) {
    this.#config = config;
    this.#secrets = secrets;
    this.#stats = stats;
    this.#source = new SecureContextSource(config, config, secrets, {
      onSecret: () => {
        stats.sslContextUpdateBySds++;
      },
      onUpdateFailed: () => {
        stats.contextUpdateFailed++;
      },
    });
    this.#keyLog =
      config.keyLog === null
        ? null
        : new KeyLog(config.keyLog, () => {
            stats.keyLogFailed++;
          });
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
    const prepared = this.#current();
    if (prepared === null) {
      this.#stats.downstreamContextSecretsNotReady++;
      this.#refuse(socket, 'TLS_error:Secret is not supplied by SDS', callbacks);
      return;
    }
    // Without a listener filter that looked, the name is known after the handshake only.
    if (this.#config.requireSni && serverName === '' && clientAlpn !== null) {
      this.#refuse(socket, SNI_REQUIRED, callbacks);
      return;
    }
    const { context, verifier, ocspServer } = prepared;
    const { alpnProtocols } = this.#config;
    const overlaps = clientAlpn === null || alpnProtocols.some((name) => clientAlpn.includes(name));
    const tlsSocket = startServerHandshake(
      socket,
      {
        secureContext: context.contextFor(serverName),
        alpnProtocols: overlaps ? alpnProtocols : [],
        requestCertificate: verifier !== null,
        sniCallback: clientAlpn === null ? context.sniCallback : null,
        ocspServer,
      },
      {
        onSecure: (secured, peer, chainError) =>
          this.#onSecure(prepared, secured, { peer, chainError, serverName }, callbacks),
        onFailed: (reason) => {
          this.#stats.connectionError++;
          callbacks.onRefused(reason);
        },
      },
    );
    this.#keyLog?.watch(tlsSocket, socket.localAddress, socket.remoteAddress);
  }

  close(): void {
    this.#source.close();
    this.#keyLog?.close();
  }

  #onSecure(
    { context, verifier }: Prepared,
    socket: TLSSocket,
    { peer, chainError, serverName: peekedName }: HandshakeFacts,
    callbacks: DownstreamHandshakeCallbacks,
  ): void {
    // On servers: the name the client sent, or false.
    const serverName =
      peekedName === '' && typeof socket.servername === 'string' ? socket.servername : peekedName;
    if (this.#config.requireSni && serverName === '') {
      this.#refuse(socket, SNI_REQUIRED, callbacks);
      return;
    }
    const result = verifier?.verify(peer, chainError, socket.isSessionReused()) ?? null;
    if (result !== null && result.failure !== null) {
      this.#stats.countFailure(result.failure);
      socket.destroy();
      callbacks.onRefused(result.reason);
      return;
    }
    this.#stats.countHandshake(socket);
    const info = new SocketTlsInfo(socket, serverName, peer, context.onlyLeaf, verifier !== null);
    if (!info.peerCertificatePresented) this.#stats.noCertificate++;
    callbacks.onSecure(socket, info);
  }

  #refuse(socket: Socket, reason: string, callbacks: DownstreamHandshakeCallbacks): void {
    this.#stats.connectionError++;
    socket.destroy();
    callbacks.onRefused(reason);
  }

  #current(): Prepared | null {
    const context = this.#source.current();
    if (context === null) return null;
    if (this.#prepared?.context !== context) this.#prepared = this.#prepare(context);
    return this.#prepared;
  }

  #prepare(context: CurrentContext): Prepared {
    this.#stats.setExpiries(context.expiries);
    const required = this.#config.requireClientCertificate;
    // require_client_certificate without a validation context: any certificate will do, but one must come.
    const verifier =
      context.validation === null && !required
        ? null
        : new PeerVerifier(
            context.validation ?? { ...noValidation, acceptUntrusted: true },
            { peer: 'client', required, enforcesRsaKeyUsage: false },
            this.#secrets.clock,
          );
    return { context, verifier, ocspServer: this.#createOcspServer(context) };
  }

  /**
   * The documented way to staple is an event of a tls.Server; this one never listens. A staple that ran out
   * is left out (LENIENT_STAPLING) or ends the handshake: then its certificate must not be used.
   */
  #createOcspServer({ certificates }: CurrentContext): tls.Server | null {
    const [certificate] = certificates;
    const isStrict = this.#config.ocspStaplePolicy !== 'LENIENT_STAPLING';
    if (certificate === undefined || certificates.length > 1) return null;
    if (certificate.ocspStaple === '' && this.#config.ocspStaplePolicy !== 'MUST_STAPLE')
      return null;
    const staple = Buffer.from(certificate.ocspStaple, 'base64');
    const server = tls.createServer({
      cert: certificate.certificateChainPem,
      key: certificate.privateKeyPem,
      ...(certificate.password === '' ? {} : { passphrase: certificate.password }),
    });
    server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      this.#stats.ocspStapleRequests++;
      const isCurrent =
        staple.length > 0 && this.#secrets.clock.wallMs() < certificate.ocspExpiresMs;
      if (isCurrent) {
        this.#stats.ocspStapleResponses++;
        callback(null, staple);
      } else if (isStrict) {
        this.#stats.ocspStapleFailed++;
        callback(new Error('OCSP response has expired'), null);
      } else {
        this.#stats.ocspStapleOmitted++;
        callback(null, null);
      }
    });
    return server;
  }
}

const SNI_REQUIRED = 'TLS_error:SNI required';
