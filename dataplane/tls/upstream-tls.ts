// TLS towards the hosts of one cluster. Used by the connector of upstream/pool.

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { noValidation, type UpstreamTlsConfig } from '../api/config/tls.ts';
import type { TlsInfo } from '../api/connection.ts';
import { KeyLog } from './key-log.ts';
import { PeerVerifier, type VerificationResult } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { type CurrentContext, SecureContextSource } from './secure-context.ts';
import type { SslStats } from './ssl-stats.ts';
import { SocketTlsInfo } from './tls-info.ts';

/** A session that can be resumed, with the name it was made under. */
interface KeptSession {
  readonly serverName: string;
  readonly session: Buffer;
  readonly protocol: string | null;
  /** Whom it was made with: Node does not tell the certificate of a resumed server. */
  readonly peer: X509Certificate | undefined;
}

/** A finished handshake, judged. */
export interface VerifiedServer {
  readonly result: VerificationResult;
  readonly peer: X509Certificate | undefined;
  /** Means something only when the server was let through. */
  readonly tlsInfo: TlsInfo;
}

const passed: VerificationResult = { failure: null, reason: '' };

/** What a connection has to remember from its handshake until it ends. */
interface ClientHandshake {
  readonly context: CurrentContext;
  readonly serverName: string;
  /** Of the session that is offered, then of the handshake. */
  peer: X509Certificate | undefined;
  isVerified: boolean;
  /** Came before the verdict; TLS 1.2 does that. */
  earlySession: Buffer | null;
}

/** One per cluster and worker. */
export class UpstreamTlsContext {
  readonly #config: UpstreamTlsConfig;
  readonly #secrets: SecretStore;
  readonly #stats: SslStats;
  readonly #source: SecureContextSource;
  readonly #keyLog: KeyLog | null;
  #verifierOf: CurrentContext | null = null;
  #verifier: PeerVerifier | null = null;
  /** Newest last, at most max_session_keys; of the current context only. */
  #sessions: KeptSession[] = [];
  readonly #handshakes = new WeakMap<tls.TLSSocket, ClientHandshake>();

  constructor(config: UpstreamTlsConfig, secrets: SecretStore, stats: SslStats) {
    this.#config = config;
    this.#secrets = secrets;
    this.#stats = stats;
    this.#source = new SecureContextSource(config, null, secrets, {
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

  /** False while an SDS secret has not arrived; connections then fail with `notReadyReason`. */
  isReady(): boolean {
    return this.#current() !== null;
  }

  static readonly notReadyReason = 'TLS_error:Secret is not supplied by SDS';

  /**
   * Wraps a connecting or connected socket; the handshake's end is its 'secureConnect' event, after which
   * the caller must ask `verify` before it lets a byte through. `alpnProtocols`: what is spoken then; offered
   * unless alpn_protocols of the config says otherwise. Empty = nothing is offered.
   */
  wrap(socket: Socket, serverName: string, alpnProtocols: readonly string[] = []): tls.TLSSocket {
    const context = this.#current();
    if (context === null) throw new Error(UpstreamTlsContext.notReadyReason);
    const sni = serverName === '' ? this.#config.sni : serverName;
    const options: tls.ConnectionOptions = {
      socket,
      secureContext: context.contextFor(''),
      rejectUnauthorized: false,
      // Names are checked by PeerVerifier, as the validation context says; Node's own check never runs.
      checkServerIdentity: () => undefined,
    };
    if (sni !== '') options.servername = sni;
    const configured = this.#config.alpnProtocols;
    const offered = configured.length > 0 ? configured : alpnProtocols;
    if (offered.length > 0) options.ALPNProtocols = [...offered];
    const kept = this.#takeSession(sni);
    if (kept !== null) options.session = kept.session;
    const tlsSocket = tls.connect(options);
    const handshake: ClientHandshake = {
      context,
      serverName: sni,
      peer: kept?.peer,
      isVerified: false,
      earlySession: null,
    };
    this.#handshakes.set(tlsSocket, handshake);
    if (this.#config.maxSessionKeys > 0) {
      tlsSocket.on('session', (made: Buffer) => this.#keepSession(tlsSocket, handshake, made));
    }
    this.#keyLog?.watch(tlsSocket, socket.localAddress, socket.remoteAddress);
    return tlsSocket;
  }

  /**
   * Judges the finished handshake and counts the outcome; failure null = let bytes through. To be called once
   * per socket.
   */
  verify(socket: tls.TLSSocket): VerifiedServer {
    const isResumed = socket.isSessionReused();
    const handshake = this.#handshakes.get(socket);
    const peer = isResumed ? handshake?.peer : socket.getPeerX509Certificate();
    const verifier = this.#verifier;
    const result =
      verifier === null ? passed : verifier.verify(peer, authorizationCode(socket), isResumed);
    if (result.failure === null) this.#stats.countHandshake(socket);
    else this.#stats.countFailure(result.failure);
    if (handshake !== undefined && result.failure === null) {
      handshake.peer = peer;
      handshake.isVerified = true;
      const { earlySession } = handshake;
      handshake.earlySession = null;
      if (earlySession !== null) this.#keepSession(socket, handshake, earlySession);
    }
    const serverName = typeof socket.servername === 'string' ? socket.servername : '';
    const local = this.#verifierOf?.onlyLeaf ?? null;
    const tlsInfo = new SocketTlsInfo(socket, serverName, peer, local, verifier !== null);
    return { result, peer, tlsInfo };
  }

  close(): void {
    this.#source.close();
    this.#keyLog?.close();
    this.#sessions = [];
  }

  #takeSession(serverName: string): KeptSession | null {
    for (let i = this.#sessions.length - 1; i >= 0; i--) {
      const kept = this.#sessions[i]!; // i is below its length
      if (kept.serverName !== serverName) continue;
      // RFC 8446 C.4: a TLS 1.3 ticket used twice links the two connections for who listens.
      if (kept.protocol === 'TLSv1.3') this.#sessions.splice(i, 1);
      return kept;
    }
    return null;
  }

  /** Never of a server that was not let through. */
  #keepSession(socket: tls.TLSSocket, handshake: ClientHandshake, session: Buffer): void {
    if (!handshake.isVerified) {
      handshake.earlySession = session;
      return;
    }
    // Nor of one that was judged by the rules of yesterday.
    if (handshake.context !== this.#verifierOf) return;
    const { serverName, peer } = handshake;
    this.#sessions.push({ serverName, session, protocol: socket.getProtocol(), peer });
    if (this.#sessions.length > this.#config.maxSessionKeys) this.#sessions.shift();
  }

  #current(): CurrentContext | null {
    const context = this.#source.current();
    if (context !== null && context !== this.#verifierOf) {
      this.#verifierOf = context;
      this.#sessions = [];
      this.#stats.setExpiries(context.expiries);
      const { enforceRsaKeyUsage } = this.#config;
      // The key usage is looked at also where nothing else is.
      const validation = context.validation ?? (enforceRsaKeyUsage ? noValidation : null);
      this.#verifier =
        validation === null
          ? null
          : new PeerVerifier(
              validation,
              { peer: 'server', required: true, enforcesRsaKeyUsage: enforceRsaKeyUsage },
              this.#secrets.clock,
            );
    }
    return context;
  }
}

/** '' = authorised. Node's type says Error; on clients it is the Error, on servers the bare code. */
function authorizationCode(socket: tls.TLSSocket): string {
  if (socket.authorized) return '';
  const thrown: unknown = socket.authorizationError;
  if (typeof thrown === 'string') return thrown;
  const code = (thrown as NodeJS.ErrnoException | null)?.code;
  return code ?? 'UNSPECIFIED';
}
