// TLS towards the hosts of one cluster. Used by the connector of upstream/pool.

import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { UpstreamTlsConfig } from '../api/config/tls.ts';
import type { TlsInfo } from '../api/connection.ts';
import { PeerVerifier, type VerificationResult } from './peer-verification.ts';
import type { SecretStore } from './secret-store.ts';
import { type CurrentContext, SecureContextSource } from './secure-context.ts';
import type { SslStats } from './ssl-stats.ts';
import { SocketTlsInfo } from './tls-info.ts';

/** One per cluster and worker. */
export class UpstreamTlsContext {
  readonly #config: UpstreamTlsConfig;
  readonly #stats: SslStats;
  readonly #source: SecureContextSource;
  #verifierOf: CurrentContext | null = null;
  #verifier: PeerVerifier | null = null;

  constructor(config: UpstreamTlsConfig, secrets: SecretStore, stats: SslStats) {
    this.#config = config;
    this.#stats = stats;
    this.#source = new SecureContextSource(config, secrets);
  }

  /** False while an SDS secret has not arrived; connections then fail with `notReadyReason`. */
  isReady(): boolean {
    return this.#current() !== null;
  }

  static readonly notReadyReason = 'TLS_error:Secret is not supplied by SDS';

  /**
   * Wraps a connecting or connected socket; the handshake's end is its 'secureConnect' event, after which
   * the caller must ask `verify` before it lets a byte through.
   */
  wrap(socket: Socket, serverName: string): tls.TLSSocket {
    const context = this.#current();
    if (context === null) throw new Error(UpstreamTlsContext.notReadyReason);
    const sni = serverName === '' ? this.#config.sni : serverName;
    const options: tls.ConnectionOptions = {
      socket,
      secureContext: context.secureContext,
      rejectUnauthorized: false,
      // Names are checked by PeerVerifier, as the validation context says; Node's own check never runs.
      checkServerIdentity: () => undefined,
    };
    if (sni !== '') options.servername = sni;
    if (this.#config.alpnProtocols.length > 0)
      options.ALPNProtocols = [...this.#config.alpnProtocols];
    return tls.connect(options);
  }

  /** Judges the finished handshake and counts the outcome; failure null = let bytes through. */
  verify(socket: tls.TLSSocket): VerificationResult {
    const result =
      this.#verifier === null
        ? { failure: null, reason: '' }
        : this.#verifier.verify(socket, authorizationCode(socket));
    if (result.failure === null) this.#stats.handshake++;
    else {
      this.#stats.countFailure(result.failure);
      this.#stats.connectionError++;
    }
    return result;
  }

  /** Facts of a handshake that `verify` let through. */
  describe(socket: tls.TLSSocket): TlsInfo {
    const serverName = typeof socket.servername === 'string' ? socket.servername : '';
    return new SocketTlsInfo(socket, serverName, this.#verifier !== null);
  }

  close(): void {
    this.#source.close();
  }

  #current(): CurrentContext | null {
    const context = this.#source.current();
    if (context !== null && context !== this.#verifierOf) {
      this.#verifierOf = context;
      this.#verifier =
        context.validation === null ? null : new PeerVerifier(context.validation, true);
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
