// Clusters that choose their hosts in a way of their own instead of by a load balancing policy (lb_policy
// CLUSTER_PROVIDED). config/cluster-type makes it, upstream/<kind> acts by it.

import type { DnsCacheData } from './dns.ts';

/** By the type of its cluster. */
export type ProvidedHostsData = OriginalDstData | AggregateData | DynamicForwardProxyData;

/** ORIGINAL_DST: the host is where the connection or the request wanted to go. */
export interface OriginalDstData {
  readonly kind: 'ORIGINAL_DST';
  /** Lower case; null = headers do not choose. */
  readonly httpHeaderName: string | null;
  /** The first is the namespace; null = metadata does not choose. */
  readonly metadataPath: readonly string[] | null;
  readonly portOverride: number | null;
  /** Hosts that were not used for so long and have no connections are forgotten; default 5000. */
  readonly cleanupIntervalMs: number;
}

/** envoy.clusters.aggregate: the priorities of these clusters, one behind the other. */
export interface AggregateData {
  readonly kind: 'AGGREGATE';
  readonly clusters: readonly string[];
}

/** envoy.clusters.dynamic_forward_proxy: the host is the one that the request names. */
export interface DynamicForwardProxyData {
  readonly kind: 'DYNAMIC_FORWARD_PROXY';
  readonly cache: DnsCacheData;
}
