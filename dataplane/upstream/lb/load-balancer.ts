// The contract of load balancing policies. A policy sees the hosts of one cluster in one worker as they were when it was
// made; a new one is made when hosts or their health change. What must outlive that (a host's measured load) belongs to
// the host.

import type { Clock, Random } from '../../../common/clock.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { UpstreamHost } from '../host.ts';
import type { Steps } from '../steps.ts';
import type { PriorityHosts } from './host-set.ts';

/** See the file head. */
export interface LoadBalancer {
  /** Null = no usable host. `attempt` counts from 0 while the context refuses what it gets. */
  choose(context: LoadBalancerContext, attempt: number): UpstreamHost | null;
  /** A host that the next choose() may be given instead of its own; null = none can be told before. */
  peek(): UpstreamHost | null;
  /** Makes what the first choice would make; a choice before the last step does not wait for it. */
  prepare(): Steps;
}

/** What policies need of their cluster and worker. */
export interface LoadBalancerParts {
  readonly random: Random;
  readonly clock: Clock;
  readonly stats: ClusterStats;
  /** commonLb.healthyPanicThresholdPercent */
  readonly panicThresholdPercent: number;
  /** Requests under way at all hosts of the cluster, over all workers. */
  rqActive(): number;
  /** Null = bootstrap names none, or this cluster is it: localities do not matter to zone-aware policies. */
  readonly localCluster: LocalCluster | null;
}

/** The cluster of this sidecar's own kind (cluster_manager.local_cluster_name), for zone-aware policies. */
export interface LocalCluster {
  /** Another number whenever localHosts() may have changed. */
  version(): number;
  /** Its priority 0; null = that cluster is not there (yet). */
  localHosts(): PriorityHosts | null;
}
