// One filter chain of a listener, alive: its TLS context, its network filter configs, its connections.
//
//   serving --startDrain()--> draining --last connection gone--> drained --dispose()--> gone

import type { FilterChainConfig } from '../api/config/listener.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import type { DrainSequence } from '../api/drain.ts';
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
  /** Served, or in their TLS handshake. */
  readonly connections = new Set<ChainConnection>();
  #isDraining = false;
  readonly #onEmpty: (() => void)[] = [];

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
    return this.#isDraining;
  }

  /** Filters end keep-alive at the next response. */
  startDrain(drain: DrainSequence): void {
    this.#isDraining = true;
    for (const filter of this.networkFilters) filter.startDrain(drain);
  }

  /** Calls back once, as soon as there is no connection: maybe at once. */
  whenEmpty(onEmpty: () => void): void {
    if (this.connections.size === 0) onEmpty();
    else this.#onEmpty.push(onEmpty);
  }

  /** The drain time is over: what is left is closed. */
  closeConnections(): void {
    for (const connection of [...this.connections]) connection.close(ConnectionCloseType.NoFlush);
  }

  onConnectionClosed(connection: ChainConnection): void {
    this.connections.delete(connection);
    if (this.connections.size > 0) return;
    for (const onEmpty of this.#onEmpty.splice(0)) onEmpty();
  }

  /** Once, when no connection is left and none can come. */
  dispose(): void {
    this.tls?.close();
    for (const filter of this.networkFilters) filter.dispose?.();
  }
}
