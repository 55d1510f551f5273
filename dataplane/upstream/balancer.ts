// The worker's choice of a host: priority by load, then a pick from that priority's list. Lists are rebuilt
// lazily: an assignment or an ejection only marks them stale. Owned by cluster.ts.

import type { Random } from '../../common/clock.ts';
import type { LoadBalancerContext } from '../api/cluster.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ClusterStats } from './cluster-stats.ts';
import type { UpstreamHost } from './host.ts';
import {
  groupByPriority,
  type PriorityHosts,
  type PriorityLoad,
  priorityLoad,
} from './host-set.ts';
import { createPicker, type Picker } from './lb/load-balancer.ts';

interface PriorityPickers {
  readonly all: Picker;
  readonly healthy: Picker;
  readonly degraded: Picker;
}

/** Immutable view of the hosts at one health epoch. */
class BalancerState {
  readonly load: PriorityLoad;
  readonly pickers: readonly PriorityPickers[];

  constructor(
    priorities: readonly PriorityHosts[],
    config: ClusterConfig,
    overprovisioningFactor: number,
    random: Random,
  ) {
    const { healthyPanicThresholdPercent } = config.commonLb;
    this.load = priorityLoad(priorities, overprovisioningFactor, healthyPanicThresholdPercent);
    this.pickers = priorities.map(({ all, healthy, degraded }) => ({
      all: createPicker(config, all, random),
      healthy: createPicker(config, healthy, random),
      degraded: createPicker(config, degraded, random),
    }));
  }
}

export class Balancer {
  readonly #config: ClusterConfig;
  readonly #stats: ClusterStats;
  readonly #random: Random;
  #hosts: readonly UpstreamHost[] = [];
  #overprovisioningFactor = 140;
  #state: BalancerState | null = null;
  /** Picked by peek() for requests to come, in order. */
  readonly #peeked: UpstreamHost[] = [];

  constructor(config: ClusterConfig, stats: ClusterStats, random: Random) {
    this.#config = config;
    this.#stats = stats;
    this.#random = random;
  }

  setHosts(hosts: readonly UpstreamHost[], overprovisioningFactor: number): void {
    this.#hosts = hosts;
    this.#overprovisioningFactor = overprovisioningFactor;
    this.invalidate();
  }

  /** Some host's health changed. */
  invalidate(): void {
    this.#state = null;
    this.#peeked.length = 0;
  }

  /**
   * The host of a request that has not come yet: the next choose() will give it. Null = none that can be told
   * before (least request decides by the load of the moment), or enough have been told.
   */
  peek(): UpstreamHost | null {
    if (this.#config.lbPolicy === 'LEAST_REQUEST') return null;
    if (this.#peeked.length >= this.#hosts.length) return null;
    const host = this.#pick();
    if (host !== null) this.#peeked.push(host);
    return host;
  }

  /** Null = no usable host. A host that the context refuses is replaced up to its retry count. */
  choose(context: LoadBalancerContext): UpstreamHost | null {
    let host = this.#peeked.length > 0 ? this.#peeked.shift()! : this.#pick();
    for (let i = 0; i < context.hostSelectionRetryCount && host !== null; i++) {
      if (!context.shouldSelectAnotherHost(host)) return host;
      host = this.#pick();
    }
    return host;
  }

  #pick(): UpstreamHost | null {
    this.#state ??= new BalancerState(
      groupByPriority(this.#hosts),
      this.#config,
      this.#overprovisioningFactor,
      this.#random,
    );
    const { load, pickers } = this.#state;
    // By far the commonest: everything goes to the healthy hosts of priority 0.
    if (load.healthy[0] === 100) return this.#pickAt(pickers[0]!, load.panic[0]!, false);
    const hash = ((this.#random() * 100) | 0) + 1;
    let cumulative = 0;
    for (let priority = 0; priority < pickers.length; priority++) {
      cumulative += load.healthy[priority]!;
      if (hash <= cumulative) {
        return this.#pickAt(pickers[priority]!, load.panic[priority]!, false);
      }
    }
    for (let priority = 0; priority < pickers.length; priority++) {
      cumulative += load.degraded[priority]!;
      if (hash <= cumulative) return this.#pickAt(pickers[priority]!, load.panic[priority]!, true);
    }
    return null;
  }

  #pickAt(pickers: PriorityPickers, panic: boolean, degraded: boolean): UpstreamHost | null {
    if (panic) {
      this.#stats.lbHealthyPanic++;
      return pickers.all.pick();
    }
    return degraded ? pickers.degraded.pick() : pickers.healthy.pick();
  }
}
