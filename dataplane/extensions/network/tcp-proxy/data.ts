// Compiled envoy.filters.network.tcp_proxy (extensions.filters.network.tcp_proxy.v3.TcpProxy): config.ts
// makes it, filter.ts reads it.

import type { ExtensionData } from '../../../api/factory.ts';

export interface TcpProxyData {
  /** Stats hang below `tcp.<statPrefix>`. */
  readonly statPrefix: string;
  /** At least one; a single `cluster` is one entry of weight 1. The weights' sum is > 0. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  /** Both directions silent that long: close. Default 3 600 000; 0 = never. */
  readonly idleTimeoutMs: number;
  /** Default 1. */
  readonly maxConnectAttempts: number;
  /** 0 = none. */
  readonly maxDownstreamConnectionDurationMs: number;
  readonly accessLogs: readonly ExtensionData[];
}
