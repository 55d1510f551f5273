// Policies that choose in steps: a priority by load, maybe a locality of it, then a host of that list by a picker.
//
//   priority --panic--> all | locality-weighted: one locality's | zone-aware: own or another locality's | healthy, degraded
//
// Envoy: LoadBalancerBase, ZoneAwareLoadBalancerBase::hostSourceToUse.

import type { LocalityLbData } from '../../api/config/load-balancing.ts';
import { anyHost, type LoadBalancerContext, type PriorityLoad } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { finish, type Steps } from '../steps.ts';
import { type HostLists, type PriorityHosts, type PrioritySet, priorityLoad } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';
import { LocalityWrr } from './locality-wrr.ts';
import type { Picker } from './pickers.ts';
import { ZoneRouting } from './zone-routing.ts';

/** What makes one such policy different from another. */
export interface PickPolicy {
  readonly locality: LocalityLbData;
  /** A pick does not depend on the load of the moment. */
  readonly canPeek: boolean;
  createPicker(hosts: readonly UpstreamHost[]): Steps<Picker>;
}

/** See the file head. */
export class PriorityBalancer implements LoadBalancer {
  readonly #load: PriorityLoad;
  readonly #priorities: readonly PrioritySource[];
  readonly #parts: LoadBalancerParts;
  readonly #canPeek: boolean;
  readonly #failTrafficOnPanic: boolean;

  constructor(hosts: PrioritySet, parts: LoadBalancerParts, policy: PickPolicy) {
    const { locality, canPeek } = policy;
    this.#parts = parts;
    this.#canPeek = canPeek;
    this.#failTrafficOnPanic = locality.kind === 'zone-aware' && locality.failTrafficOnPanic;
    this.#load = priorityLoad(hosts.priorities, hosts, parts.panicThresholdPercent);
    this.#priorities = hosts.priorities.map(
      (lists, priority) => new PrioritySource(lists, priority, hosts, parts, policy),
    );
  }

  *prepare(): Steps {
    for (let priority = 0; priority < this.#priorities.length; priority++) {
      const source = this.#priorities[priority]!;
      if (this.#load.panic[priority]!) yield* source.preparePanic();
      else if (this.#load.healthy[priority]! > 0) yield* source.prepare();
      yield;
    }
  }

  peek(): UpstreamHost | null {
    return this.#canPeek ? this.choose(anyHost) : null;
  }

  choose(context: LoadBalancerContext): UpstreamHost | null {
    const load = context.priorityLoad(this.#load);
    // By far the commonest: everything goes to the healthy hosts of priority 0.
    if (load.healthy[0] === 100) return this.#pickAt(0, false);
    const count = this.#priorities.length;
    const hash = ((this.#parts.random() * 100) | 0) + 1;
    let cumulative = 0;
    for (let priority = 0; priority < count; priority++) {
      cumulative += load.healthy[priority]!;
      if (hash <= cumulative) return this.#pickAt(priority, false);
    }
    for (let priority = 0; priority < count; priority++) {
      cumulative += load.degraded[priority]!;
      if (hash <= cumulative) return this.#pickAt(priority, true);
    }
    return null;
  }

  #pickAt(priority: number, degraded: boolean): UpstreamHost | null {
    const source = this.#priorities[priority]!;
    // Its own, whatever loads a retry makes of them (Envoy).
    if (!this.#load.panic[priority]!) return source.pick(degraded);
    this.#parts.stats.lbHealthyPanic++;
    return this.#failTrafficOnPanic ? null : source.pickAny();
  }
}

/** The lists of one priority with a picker each, made when it is first needed. */
class PrioritySource {
  readonly #hosts: PriorityHosts;
  readonly #wrr: LocalityWrr | null;
  readonly #zones: ZoneRouting | null;
  readonly #lists: ListPickers;
  readonly #localities: ListPickers[] = [];
  readonly #policy: PickPolicy;

  constructor(
    hosts: PriorityHosts,
    priority: number,
    { overprovisioningFactor }: PrioritySet,
    parts: LoadBalancerParts,
    policy: PickPolicy,
  ) {
    const { locality } = policy;
    const { localCluster, random } = parts;
    this.#hosts = hosts;
    this.#policy = policy;
    this.#lists = new ListPickers(hosts, policy);
    const isWeighted = locality.kind === 'locality-weighted';
    this.#wrr = isWeighted ? new LocalityWrr(hosts, overprovisioningFactor, random) : null;
    this.#zones =
      isWeighted || localCluster === null || priority > 0
        ? null
        : ZoneRouting.create(locality, hosts, localCluster.localHosts(), parts);
  }

  preparePanic(): Steps<Picker> {
    return this.#lists.prepareAll();
  }

  /** Of the healthy lists that requests may be sent to. */
  *prepare(): Steps {
    if (this.#wrr === null) yield* this.#lists.prepareHealthy();
    if (this.#wrr === null && this.#zones === null) return;
    for (let i = 0; i < this.#hosts.localities.length; i++) {
      yield* this.#localityAt(i).prepareHealthy();
    }
  }

  pickAny(): UpstreamHost | null {
    return this.#lists.all().pick();
  }

  pick(degraded: boolean): UpstreamHost | null {
    let locality = -1;
    if (this.#wrr !== null) locality = this.#wrr.choose(degraded);
    else if (this.#zones !== null) locality = this.#zones.choose();
    if (locality === -2) return null;
    const pickers = locality === -1 ? this.#lists : this.#localityAt(locality);
    return degraded ? pickers.degraded().pick() : pickers.healthy().pick();
  }

  #localityAt(index: number): ListPickers {
    this.#localities[index] ??= new ListPickers(this.#hosts.localities[index]!, this.#policy);
    return this.#localities[index];
  }
}

class ListPickers {
  readonly #lists: HostLists;
  readonly #policy: PickPolicy;
  #all: Picker | null = null;
  #healthy: Picker | null = null;
  #degraded: Picker | null = null;

  constructor(lists: HostLists, policy: PickPolicy) {
    this.#lists = lists;
    this.#policy = policy;
  }

  *prepareAll(): Steps<Picker> {
    this.#all = yield* this.#policy.createPicker(this.#lists.all);
    return this.#all;
  }

  *prepareHealthy(): Steps<Picker> {
    this.#healthy = yield* this.#policy.createPicker(this.#lists.healthy);
    return this.#healthy;
  }

  all(): Picker {
    return this.#all ?? finish(this.prepareAll());
  }

  healthy(): Picker {
    return this.#healthy ?? finish(this.prepareHealthy());
  }

  degraded(): Picker {
    this.#degraded ??= finish(this.#policy.createPicker(this.#lists.degraded));
    return this.#degraded;
  }
}
