// envoy.filters.network.sni_cluster, worker half: the server name that the client asked for is the name of the
// cluster that tcp_proxy, behind it, takes. Without a server name tcp_proxy's own cluster stands.

import type { NetworkFilterFactory } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import { FilterStateKey } from '../../../api/stream-info.ts';

class SniClusterFilter implements ReadFilter {
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    const { connection, streamInfo } = this.#callbacks;
    const { requestedServerName } = connection;
    if (requestedServerName !== '') {
      streamInfo.filterState ??= new Map();
      streamInfo.filterState.set(FilterStateKey.TcpProxyCluster, requestedServerName);
    }
    return NetworkFilterStatus.Continue;
  }

  onData(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }
}

const config: NetworkFilterConfig = {
  createFilter: () => new SniClusterFilter(),
  startDrain() {},
};

export const sniClusterFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.sni_cluster',
  create: () => config,
};
