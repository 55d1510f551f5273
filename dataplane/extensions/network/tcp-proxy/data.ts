// Compiled envoy.filters.network.tcp_proxy (extensions.filters.network.tcp_proxy.v3.TcpProxy): config.ts
// makes it, filter.ts reads it.

import type { HashPolicyData } from '../../../api/config/hash-policy.ts';
import type { ProxyProtocolTlv } from '../../../api/connection.ts';
import type { ExtensionData } from '../../../api/factory.ts';
import type { HeaderMutationData } from '../../../api/matcher-data.ts';
import type { MetadataMatch } from '../../../api/metadata-match.ts';

export interface TcpProxyData {
  /** Stats hang below `tcp.<statPrefix>`. */
  readonly statPrefix: string;
  /** At least one; a single `cluster` is one entry of weight 1. The weights' sum is > 0. */
  readonly clusters: readonly WeightedClusterData[];
  /** Of a cluster that a filter before named (sni_cluster); null = any host will do. */
  readonly metadataMatch: MetadataMatch | null;
  /** Empty = connections are not hashed. */
  readonly hashPolicy: readonly HashPolicyData[];
  /** Both directions silent that long: close. Default 3 600 000; 0 = never. */
  readonly idleTimeoutMs: number;
  /** Default 1. */
  readonly maxConnectAttempts: number;
  /** backoff_options between attempts; null = the next follows at once. */
  readonly backoff: { readonly baseMs: number; readonly maxMs: number } | null;
  /** 0 = none. */
  readonly maxDownstreamConnectionDurationMs: number;
  /** 0 to 100: so much of the duration, by chance, is added to it. */
  readonly maxDurationJitterPercent: number;
  /** Passed on in the PROXY header of a cluster that sends one, unless the client came with a header of its own. */
  readonly proxyProtocolTlvs: readonly ProxyProtocolTlv[];
  /** Null = a plain connection. */
  readonly tunneling: TunnelingData | null;
  readonly accessLogs: readonly ExtensionData[];
  readonly accessLogOptions: AccessLogOptionsData;
}

export interface WeightedClusterData {
  readonly name: string;
  readonly weight: number;
  /** Its own merged over the filter's. */
  readonly metadataMatch: MetadataMatch | null;
}

/** tunneling_config: through an HTTP request. */
export interface TunnelingData {
  /** A format; the target of CONNECT, the Host of POST. */
  readonly hostname: string;
  readonly usePost: boolean;
  /** Default `/`. */
  readonly postPath: string;
  readonly headersToAdd: readonly HeaderMutationData[];
}

/** access_log_options: lines besides the one at the end. */
export interface AccessLogOptionsData {
  readonly onStart: boolean;
  readonly onConnected: boolean;
  /** 0 = none. */
  readonly intervalMs: number;
}
