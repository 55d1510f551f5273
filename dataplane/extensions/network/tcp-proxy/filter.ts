// envoy.filters.network.tcp_proxy: worker half. Joins a downstream connection to one upstream connection of a
// cluster; proxy.ts has the connection's life, shared.ts what all of a filter chain share.

import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import type { NetworkFilterConfig, ReadFilter } from '../../../api/network-filter.ts';
import type { TcpProxyData } from './data.ts';
import { TcpProxy } from './proxy.ts';
import { TcpProxyShared } from './shared.ts';

class TcpProxyConfig implements NetworkFilterConfig {
  readonly #shared: TcpProxyShared;

  constructor(data: TcpProxyData, context: WorkerContext) {
    this.#shared = new TcpProxyShared(data, context);
  }

  createFilter(): ReadFilter {
    return new TcpProxy(this.#shared);
  }

  /** Nothing: bytes have no boundary at which to stop; the listener waits, then closes. */
  startDrain(): void {}

  dispose(): void {
    this.#shared.dispose();
  }
}

export const tcpProxyFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.tcp_proxy',
  create: (data, context) => new TcpProxyConfig(data as TcpProxyData, context), // config.ts made it
};
