// A cluster's choice of hosts in one worker: its policy over the hosts of the moment. The policy is made anew lazily:
// an assignment or an ejection only marks it stale. Owned by cluster.ts.

import type { ClusterConfig } from '../../api/config/cluster.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { createLoadBalancer } from './create-load-balancer.ts';
import { groupByPriority } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';

/** See the file head. */
export class Balancer {
  readonly #config: ClusterConfig;
  readonly #parts: LoadBalancerParts;
  #hosts: readonly UpstreamHost[] = [];
  #overprovisioningFactor = 140;
  #policy: LoadBalancer | null = null;
  /** Picked by peek() for requests to come, in order. */
  readonly #peeked: UpstreamHost[] = [];

  constructor(config: ClusterConfig, parts: LoadBalancerParts) {
    this.#config = config;
    this.#parts = parts;
  }

  setHosts(hosts: readonly UpstreamHost[], overprovisioningFactor: number): void {
    this.#hosts = hosts;
    this.#overprovisioningFactor = overprovisioningFactor;
    this.invalidate();
  }

  /** Some host's health changed. */
  invalidate(): void {
    this.#policy = null;
    this.#peeked.length = 0;
  }

  /** The host of a request that has not come yet: the next choose() will give it. Null = none, or enough told. */
  peek(): UpstreamHost | null {
    if (this.#peeked.length >= this.#hosts.length) return null;
    const host = this.#current().peek();
    if (host !== null) this.#peeked.push(host);
    return host;
  }

  /** Null = no usable host. A host that the context refuses is replaced up to its retry count. */
  choose(context: LoadBalancerContext): UpstreamHost | null {
    const policy = this.#current();
    let host = this.#peeked.length > 0 ? this.#peeked.shift()! : policy.choose(context, 0);
    for (let i = 0; i < context.hostSelectionRetryCount && host !== null; i++) {
      if (!context.shouldSelectAnotherHost(host)) return host;
      host = policy.choose(context, i + 1);
    }
    return host;
  }

  #current(): LoadBalancer {
    this.#policy ??= createLoadBalancer(
      this.#config.loadBalancing,
      {
        priorities: groupByPriority(this.#hosts),
        overprovisioningFactor: this.#overprovisioningFactor,
      },
      this.#parts,
    );
    return this.#policy;
  }
}
