// TLS from a cluster's pools to its hosts: which server name a connection asks for, and auto_san_validation.
// Between the pools and tls/upstream-tls, which knows contexts and certificates but not hosts.

import type { Socket } from 'node:net';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { StatsStore } from '../api/stats.ts';
import type { ConnectorTls, TlsVerdict } from '../network/connector.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import { UpstreamTlsContext } from '../tls/upstream-tls.ts';
import { clusterScope } from './cluster-stats.ts';

/** TLS of one cluster in one worker. */
export interface ClusterTls {
  /** False while a secret is missing. */
  isReady(): boolean;
  /**
   * `serverName` '' = the SNI of the config. `alpnProtocols`: offered where the config has none, empty = none.
   * Throws with the failure reason when a secret is missing.
   */
  wrap(socket: Socket, serverName: string, alpnProtocols: readonly string[]): TLSSocket;
  /** After the handshake, once: reason '' = let bytes through. */
  verify(socket: TLSSocket, serverName: string): TlsVerdict;
  /** No connection will be made any more. */
  close(): void;
}

const SAN_FAILURE = 'TLS_error:CERTIFICATE_VERIFY_FAILED:verify cert failed: verify SAN list';

/** Null = the cluster speaks plaintext. Its stats live in `stats` until close(). */
export function createClusterTls(
  config: ClusterConfig,
  secrets: SecretStore,
  stats: StatsStore,
): ClusterTls | null {
  return config.tls === null ? null : new ContextTls(config, config.tls, secrets, stats);
}

class ContextTls implements ClusterTls {
  readonly #context: UpstreamTlsContext;
  readonly #sslStats = new SslStats('client');
  readonly #stats: StatsStore;
  readonly #validatesServerName: boolean;

  constructor(
    config: ClusterConfig,
    tls: NonNullable<ClusterConfig['tls']>,
    secrets: SecretStore,
    stats: StatsStore,
  ) {
    this.#context = new UpstreamTlsContext(tls, secrets, this.#sslStats);
    this.#stats = stats;
    this.#validatesServerName = config.http.autoSanValidation || tls.autoSniSanValidation;
    const scope = clusterScope(config);
    stats.add(scope, this.#sslStats);
  }

  isReady(): boolean {
    return this.#context.isReady();
  }

  wrap(socket: Socket, serverName: string, alpnProtocols: readonly string[]): TLSSocket {
    if (!this.isReady()) this.#sslStats.upstreamContextSecretsNotReady++;
    return this.#context.wrap(socket, serverName, alpnProtocols);
  }

  verify(socket: TLSSocket, serverName: string): TlsVerdict {
    const { result, peer, tlsInfo } = this.#context.verify(socket);
    const verdict = { reason: result.reason, tlsInfo };
    if (result.failure !== null || !this.#validatesServerName || serverName === '') return verdict;
    if (peer?.checkHost(serverName) !== undefined) return verdict;
    this.#sslStats.countFailure('fail_verify_san');
    return { reason: SAN_FAILURE, tlsInfo };
  }

  close(): void {
    this.#context.close();
    this.#stats.remove(this.#sslStats);
  }
}

/** What the connector takes, with the server name bound; one per pool of that name would be enough. */
export function connectorTls(
  tls: ClusterTls,
  serverName: string,
  alpnProtocols: readonly string[],
): ConnectorTls {
  return {
    wrap: (socket) => tls.wrap(socket, serverName, alpnProtocols),
    verify: (socket) => tls.verify(socket, serverName),
  };
}

/** The SNI that auto_sni takes from a request's :authority; '' for an address (RFC 6066 allows names only). */
export function serverNameOf(authority: string): string {
  if (authority.startsWith('[')) return '';
  const colon = authority.lastIndexOf(':');
  const host = colon === -1 ? authority : authority.slice(0, colon);
  return isIP(host) === 0 ? host.toLowerCase() : '';
}
