// envoy.clusters.aggregate: the priorities of several clusters, one behind the other, are the priorities of one. Load
// decides which of them a request goes to, and the cluster it belongs to chooses the host by its own policy. The host
// stays that cluster's, with its pools, ceilings, TLS and stats. Envoy: AggregateClusterLoadBalancer.

import type { Random } from '../../../common/clock.ts';
import type { Connection } from '../../api/connection.ts';
import type { RequestHeaders } from '../../api/headers.ts';
import type { Host } from '../../api/host.ts';
import type {
  LoadBalancerContext,
  OverrideHost,
  PriorityLoad,
  PriorityOf,
} from '../../api/load-balancing.ts';
import type { MetadataMatch } from '../../api/metadata-match.ts';
import type { StreamInfo } from '../../api/stream-info.ts';
import type { UpstreamHost } from '../host.ts';
import type { HostProvider } from '../host-provider.ts';
import {
  type HostLists,
  type PriorityPolicy,
  type PrioritySet,
  priorityLoad,
} from '../lb/host-set.ts';

/** A cluster as an aggregate sees it. */
export interface AggregatedCluster {
  /** Another number whenever prioritySet() may have changed. */
  hostsVersion(): number;
  prioritySet(): PrioritySet;
  /** As chooseHost, without counting that there is none. */
  pick(context: LoadBalancerContext): UpstreamHost | null;
}

export interface AggregateParts {
  readonly random: Random;
  /** The aggregate's own. */
  readonly panicThresholdPercent: number;
  /** Null = not there (any more). */
  clusterOf(name: string): AggregatedCluster | null;
}

/** One priority of one cluster. */
interface LinearPriority {
  readonly cluster: AggregatedCluster;
  /** In that cluster. */
  readonly priority: number;
  readonly toHealthy: PriorityLoad;
  readonly toDegraded: PriorityLoad;
}

interface Linear {
  readonly priorities: readonly LinearPriority[];
  readonly load: PriorityLoad;
}

/** See the file head. */
export class AggregateHosts implements HostProvider {
  readonly #names: readonly string[];
  readonly #parts: AggregateParts;
  readonly #context = new OnePriorityContext();
  readonly #clusters: (AggregatedCluster | null)[];
  readonly #versions: number[];
  #linear: Linear | null = null;
  /** Made once: a pick must not make a function. */
  readonly #priorityOf: PriorityOf = (host) => this.#linearPriority(host as UpstreamHost);

  constructor(names: readonly string[], parts: AggregateParts) {
    this.#names = names;
    this.#parts = parts;
    this.#clusters = names.map(() => null);
    this.#versions = names.map(() => -1);
  }

  choose(context: LoadBalancerContext): UpstreamHost | null {
    const { priorities, load: own } = this.#current();
    if (priorities.length === 0) return null;
    const load = context.priorityLoad(own, this.#priorityOf);
    const hash = ((this.#parts.random() * 100) | 0) + 1;
    let cumulative = 0;
    for (let i = 0; i < priorities.length; i++) {
      cumulative += load.healthy[i]!;
      if (hash <= cumulative) return this.#pick(priorities[i]!, priorities[i]!.toHealthy, context);
    }
    for (let i = 0; i < priorities.length; i++) {
      cumulative += load.degraded[i]!;
      if (hash <= cumulative) return this.#pick(priorities[i]!, priorities[i]!.toDegraded, context);
    }
    return null;
  }

  hosts(): Iterable<UpstreamHost> {
    return [];
  }

  close(): void {
    this.#linear = null;
  }

  #pick(
    { cluster }: LinearPriority,
    load: PriorityLoad,
    context: LoadBalancerContext,
  ): UpstreamHost | null {
    this.#context.wrap(context, load);
    const host = cluster.pick(this.#context);
    this.#context.unwrap();
    return host;
  }

  /** Of a host of one of the clusters: whoever retries has got it from here. */
  #linearPriority(host: UpstreamHost): number {
    const { priorities } = this.#current();
    return priorities.findIndex(
      // An UpstreamCluster is both.
      ({ cluster, priority }) =>
        (cluster as unknown) === host.cluster && priority === host.placed.priority,
    );
  }

  #current(): Linear {
    let isStale = this.#linear === null;
    for (let i = 0; i < this.#names.length; i++) {
      const cluster = this.#parts.clusterOf(this.#names[i]!);
      const version = cluster === null ? -1 : cluster.hostsVersion();
      if (cluster === this.#clusters[i] && version === this.#versions[i]) continue;
      this.#clusters[i] = cluster;
      this.#versions[i] = version;
      isStale = true;
    }
    if (isStale) this.#linear = this.#linearize();
    return this.#linear!;
  }

  /** Priorities without hosts are left out (Envoy), so that they neither panic nor count. */
  #linearize(): Linear {
    const priorities: LinearPriority[] = [];
    const lists: HostLists[] = [];
    const policies: PriorityPolicy[] = [];
    for (const cluster of this.#clusters) {
      if (cluster === null) continue;
      const set = cluster.prioritySet();
      set.priorities.forEach((hosts, priority) => {
        if (hosts.all.length === 0) return;
        lists.push(hosts);
        policies.push(set);
        const at = set.priorities.map((_, i) => (i === priority ? 100 : 0));
        const none = set.priorities.map(() => 0);
        const rest = { panic: none.map(() => false), availability: { healthy: at, degraded: at } };
        priorities.push({
          cluster,
          priority,
          toHealthy: { healthy: at, degraded: none, ...rest },
          toDegraded: { healthy: none, degraded: at, ...rest },
        });
      });
    }
    return { priorities, load: priorityLoad(lists, policies, this.#parts.panicThresholdPercent) };
  }
}

/** The request's context, but all load goes to one priority. One per aggregate: it is read during a pick only. */
class OnePriorityContext implements LoadBalancerContext {
  #inner: LoadBalancerContext | null = null;
  #load: PriorityLoad | null = null;

  wrap(inner: LoadBalancerContext, load: PriorityLoad): void {
    this.#inner = inner;
    this.#load = load;
  }

  unwrap(): void {
    this.#inner = null;
    this.#load = null;
  }

  priorityLoad(): PriorityLoad {
    return this.#load!;
  }

  hashKey(): bigint | null {
    return this.#inner!.hashKey();
  }

  shouldSelectAnotherHost(host: Host): boolean {
    return this.#inner!.shouldSelectAnotherHost(host);
  }

  get metadataMatch(): MetadataMatch | null {
    return this.#inner!.metadataMatch;
  }

  get overrideHost(): OverrideHost | null {
    return this.#inner!.overrideHost;
  }

  get downstreamConnection(): Connection | null {
    return this.#inner!.downstreamConnection;
  }

  get requestHeaders(): RequestHeaders | null {
    return this.#inner!.requestHeaders;
  }

  get streamInfo(): StreamInfo | null {
    return this.#inner!.streamInfo;
  }

  get hostSelectionRetryCount(): number {
    return this.#inner!.hostSelectionRetryCount;
  }
}
