// How a cluster's hosts are chosen: plain data from lb_policy and its *_lb_config, or from the first usable entry of
// load_balancing_policy. config/load-balancing makes it, upstream/lb/load-balancer turns it into a balancer.
// A new policy is one more member of LoadBalancingData.

/** By `kind`; names are those of Cluster.LbPolicy where it has one. */
export type LoadBalancingData = RoundRobinData | LeastRequestData | RandomData;

export interface RoundRobinData {
  readonly kind: 'ROUND_ROBIN';
}

export interface LeastRequestData {
  readonly kind: 'LEAST_REQUEST';
  /** >= 2, default 2. */
  readonly choiceCount: number;
  /** >= 0, default 1; 0 = weights only. */
  readonly activeRequestBias: number;
}

export interface RandomData {
  readonly kind: 'RANDOM';
}
