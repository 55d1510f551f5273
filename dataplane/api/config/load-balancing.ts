// How a cluster's hosts are chosen: plain data from lb_policy and its *_lb_config, or from the first usable entry of
// load_balancing_policy. config/load-balancing makes it, upstream/lb/load-balancer turns it into a balancer.
// A new policy is one more member of LoadBalancingData.

/** By `kind`; names are those of Cluster.LbPolicy where it has one. */
export type LoadBalancingData = RoundRobinData | LeastRequestData | RandomData;

/**
 * Which locality of a priority a request goes to, for policies that choose among the hosts of a list.
 * 'locality-weighted': by the weights that discovery gives localities. 'zone-aware': the sidecar's own as far as its share
 * of the upstream hosts reaches; it needs bootstrap's local_cluster_name, without which localities do not matter.
 */
export type LocalityLbData = { readonly kind: 'locality-weighted' } | ZoneAwareData;

export interface ZoneAwareData {
  readonly kind: 'zone-aware';
  /** 0..100, default 100. */
  readonly routingEnabledPercent: number;
  /** Of healthy upstream hosts, default 6. */
  readonly minClusterSize: number;
  /** A priority in panic gives no host. */
  readonly failTrafficOnPanic: boolean;
  /** All to the own locality while it has that many healthy hosts; null = only as far as its share reaches. */
  readonly forceLocalZoneMinSize: number | null;
  /** What a locality's share is counted in. */
  readonly localityBasis: 'HEALTHY_HOSTS_NUM' | 'HEALTHY_HOSTS_WEIGHT';
}

/** What holds where nothing is said (Envoy's LocalityLbConfig). */
export const defaultZoneAware: ZoneAwareData = {
  kind: 'zone-aware',
  routingEnabledPercent: 100,
  minClusterSize: 6,
  failTrafficOnPanic: false,
  forceLocalZoneMinSize: null,
  localityBasis: 'HEALTHY_HOSTS_NUM',
};

/** New hosts get their share of requests little by little. */
export interface SlowStartData {
  /** > 0 */
  readonly windowMs: number;
  /** > 0, default 1: linear. */
  readonly aggression: number;
  /** 0..100, default 10. */
  readonly minWeightPercent: number;
}

export interface RoundRobinData {
  readonly kind: 'ROUND_ROBIN';
  readonly locality: LocalityLbData;
  readonly slowStart: SlowStartData | null;
}

export interface LeastRequestData {
  readonly kind: 'LEAST_REQUEST';
  /** >= 2, default 2. */
  readonly choiceCount: number;
  /** >= 0, default 1; 0 = weights only. */
  readonly activeRequestBias: number;
  readonly selection: 'N_CHOICES' | 'FULL_SCAN';
  readonly locality: LocalityLbData;
  readonly slowStart: SlowStartData | null;
}

export interface RandomData {
  readonly kind: 'RANDOM';
  readonly locality: LocalityLbData;
}

/** Round robin where nothing is said. */
export const defaultRoundRobin: RoundRobinData = {
  kind: 'ROUND_ROBIN',
  locality: defaultZoneAware,
  slowStart: null,
};
