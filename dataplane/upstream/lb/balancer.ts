// A cluster's choice of hosts in one worker: its policy over the hosts of the moment. For another host set the next one is
// made in steps, and the former serves until it is there; an ejection only marks the policy stale, and the next choice makes
// it anew. Owned by cluster.ts.

import type { AssignmentPolicy, ClusterConfig, Locality } from '../../api/config/cluster.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { finish, type Steps } from '../steps.ts';
import { createLoadBalancer } from './create-load-balancer.ts';
import { HostIndex } from './host-index.ts';
import { type PriorityHosts, type PrioritySet, prioritySetSteps } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';

const noPolicy: AssignmentPolicy = {
  clusterName: '',
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
  #invalidations = 0;
  /** Picked by peek() for requests to come, in order. */
  readonly #peeked: UpstreamHost[] = [];

  /** `localLocality`: the sidecar's own; null = it does not say. */
  constructor(config: ClusterConfig, parts: LoadBalancerParts, localLocality: Locality | null) {
    this.#config = config;
    this.#parts = parts;
    this.#localLocality = localLocality;
  }

  /** Another host set: choices are made of it from the last step on. */
  *change(hosts: readonly UpstreamHost[], assignment: AssignmentPolicy): Steps {
    const invalidations = this.#invalidations;
    const set = yield* this.#setSteps(hosts, assignment);
    const localVersion = this.#parts.localCluster?.version() ?? 0;
    const policy = this.#create(set);
    yield* policy.prepare();
    this.#hosts = hosts;
    this.#assignment = assignment;
    this.#index.setHosts(hosts);
    this.#set = set;
    this.#policy = policy;
    this.#localVersion = localVersion;
    this.#peeked.length = 0;
    // Some were looked at before their health changed, some after.
    if (invalidations !== this.#invalidations) this.invalidate();
  }

  /** After a change: forgets what is known of former hosts. */
  forgetOthers(): Steps {
    return this.#index.forgetOthers();
  }

  /** Some host's health changed. */
  invalidate(): void {
    this.#invalidations++;
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
    this.#set ??= finish(this.#setSteps(this.#hosts, this.#assignment));
    return this.#set;
  }

  #setSteps(hosts: readonly UpstreamHost[], assignment: AssignmentPolicy): Steps<PrioritySet> {
    return prioritySetSteps(hosts, { ...assignment, localLocality: this.#localLocality });
  }

  #create(set: PrioritySet): LoadBalancer {
    return createLoadBalancer(this.#config.loadBalancing, set, this.#parts, this.#index);
  }

  /** The policy over the hosts as they are now. */
  current(): LoadBalancer {
    const { localCluster } = this.#parts;
    if (localCluster !== null) {
      const version = localCluster.version();
      if (version !== this.#localVersion) this.#policy = null;
      this.#localVersion = version;
    }
    this.#policy ??= this.#create(this.prioritySet());
    return this.#policy;
  }
}
