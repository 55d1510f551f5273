// A cluster's choice of hosts in one worker: its policy over the hosts of the moment. The policy is made anew lazily:
// an assignment or an ejection only marks it stale. Owned by cluster.ts.

import type { ClusterConfig, Locality, PlacedAssignment } from '../../api/config/cluster.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { createLoadBalancer } from './create-load-balancer.ts';
import { HostIndex } from './host-index.ts';
import { createPrioritySet, type PriorityHosts, type PrioritySet } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';

/** The part of an assignment that is not hosts. */
type AssignmentPolicy = Omit<PlacedAssignment, 'clusterName' | 'hosts'>;

const noPolicy: AssignmentPolicy = {
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localityWeights: [],
};

/** See the file head. */
export class Balancer {
  readonly #config: ClusterConfig;
  readonly #parts: LoadBalancerParts;
  readonly #localLocality: Locality | null;
  readonly #index = new HostIndex();
  #hosts: readonly UpstreamHost[] = [];
  #assignment = noPolicy;
  #set: PrioritySet | null = null;
  #policy: LoadBalancer | null = null;
  /** Of parts.localCluster, when the policy was made. */
  #localVersion = 0;
  /** Picked by peek() for requests to come, in order. */
  readonly #peeked: UpstreamHost[] = [];

  /** `localLocality`: the sidecar's own; null = it does not say. */
  constructor(config: ClusterConfig, parts: LoadBalancerParts, localLocality: Locality | null) {
    this.#config = config;
    this.#parts = parts;
    this.#localLocality = localLocality;
  }

  setHosts(hosts: readonly UpstreamHost[], assignment: AssignmentPolicy): void {
    this.#hosts = hosts;
    this.#index.setHosts(hosts);
    this.#assignment = assignment;
    this.invalidate();
  }

  /** Some host's health changed. */
  invalidate(): void {
    this.#set = null;
    this.#policy = null;
    this.#peeked.length = 0;
  }

  /** The host of a request that has not come yet: the next choose() will give it. Null = none, or enough told. */
  peek(): UpstreamHost | null {
    if (this.#peeked.length >= this.#hosts.length) return null;
    const host = this.current().peek();
    if (host !== null) this.#peeked.push(host);
    return host;
  }

  /** Null = no usable host. A host that the context refuses is replaced up to its retry count. */
  choose(context: LoadBalancerContext): UpstreamHost | null {
    const override = context.overrideHost;
    if (override !== null) {
      const host = this.#overrideHost(override.address);
      if (host !== null || override.strict) return host;
    }
    const policy = this.current();
    let host = this.#peeked.length > 0 ? this.#peeked.shift()! : policy.choose(context, 0);
    for (let i = 0; i < context.hostSelectionRetryCount && host !== null; i++) {
      if (!context.shouldSelectAnotherHost(host)) return host;
      host = policy.choose(context, i + 1);
    }
    return host;
  }

  /** Envoy: HostUtility::selectOverrideHost. */
  #overrideHost(address: string): UpstreamHost | null {
    const host = this.#index.byAddress(address);
    if (host === null) return null;
    const { overrideHostStatuses } = this.#config.commonLb;
    return overrideHostStatuses.includes(host.healthStatus()) ? host : null;
  }

  /** The cluster is gone. */
  close(): void {
    this.#index.subsets.close();
  }

  /** Priority 0 as it is now. */
  firstPriority(): PriorityHosts {
    return this.prioritySet().priorities[0]!; // there always is one
  }

  /** All priorities as they are now. */
  prioritySet(): PrioritySet {
    this.#set ??= createPrioritySet(this.#hosts, {
      ...this.#assignment,
      localLocality: this.#localLocality,
    });
    return this.#set;
  }

  /** The policy over the hosts as they are now. */
  current(): LoadBalancer {
    const { localCluster } = this.#parts;
    if (localCluster !== null) {
      const version = localCluster.version();
      if (version !== this.#localVersion) this.#policy = null;
      this.#localVersion = version;
    }
    this.#policy ??= createLoadBalancer(
      this.#config.loadBalancing,
      this.prioritySet(),
      this.#parts,
      this.#index,
    );
    return this.#policy;
  }
}
