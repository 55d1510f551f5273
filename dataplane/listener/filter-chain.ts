// One filter chain of a listener, alive: its TLS context, its network filter configs, its connections.

import type { FilterChainConfig } from '../api/config/listener.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import type { NetworkFilterConfig } from '../api/network-filter.ts';
import { DownstreamTlsContext } from '../tls/downstream-tls.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { SslStats } from '../tls/ssl-stats.ts';

/** A connection as its chain sees it. */
export interface ChainConnection {
  close(type: ConnectionCloseType): void;
}

/** Kept across listener updates while its config text is the same. */
export class FilterChain {
  readonly config: FilterChainConfig;
  /** Identity across updates: equal text = the same chain. */
  readonly configText: string;
  readonly tls: DownstreamTlsContext | null;
  readonly networkFilters: readonly NetworkFilterConfig[];
  readonly connections = new Set<ChainConnection>();
  #draining = false;
  #onDrained: (() => void) | null = null;

  constructor(
    config: FilterChainConfig,
    networkFilters: readonly NetworkFilterConfig[],
    secrets: SecretStore,
    sslStats: SslStats,
  ) {
    this.config = config;
    this.configText = JSON.stringify(config);
    this.networkFilters = networkFilters;
    this.tls = config.tls === null ? null : new DownstreamTlsContext(config.tls, secrets, sslStats);
  }

  isDraining(): boolean {
    return this.#draining;
  }

  /**
   * No new connection comes any more: filters end keep-alive at the next response. `onDrained` is
   * called once when no connection is left (at once if there is none).
   */
  startDrain(onDrained: () => void): void {
    const former = this.#onDrained;
    this.#onDrained =
      former === null
        ? onDrained
        : () => {
            former();
            onDrained();
          };
    if (!this.#draining) {
      this.#draining = true;
      for (const filter of this.networkFilters) filter.startDrain();
    }
    this.#checkDrained();
  }

  /** The drain time is over: what is left is closed. */
  closeConnections(): void {
    for (const connection of [...this.connections]) connection.close(ConnectionCloseType.NoFlush);
  }

  onConnectionClosed(connection: ChainConnection): void {
    this.connections.delete(connection);
    if (this.#draining) this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.connections.size > 0) return;
    const onDrained = this.#onDrained;
    this.#onDrained = null;
    if (onDrained === null) return;
    this.tls?.close();
    onDrained();
  }
}
