// The hosts of a cluster by priority, and how much load each priority gets. Immutable: a new one is made
// when the assignment or somebody's health changes. Arithmetic: envoy-behaviour.md 2.1, in whole percent.

import type { Locality, LocalityWeight } from '../../api/config/cluster.ts';
import type { PriorityLoad } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { finish, HOSTS_PER_STEP, type Steps } from '../steps.ts';

/** The hosts of a priority, or of one locality in it. */
export interface HostLists {
  readonly all: readonly UpstreamHost[];
  readonly healthy: readonly UpstreamHost[];
  readonly degraded: readonly UpstreamHost[];
  /** Hosts of `all` that do not count in the arithmetic; none of them is healthy. */
  readonly excluded: readonly UpstreamHost[];
}

export interface LocalityHosts extends HostLists {
  readonly locality: Locality;
  /** Discovery's; 0 = none: no load by locality weights. */
  readonly weight: number;
}

export interface PriorityHosts extends HostLists {
  /** The sidecar's own first if it has hosts here, then by region, zone and sub zone (Envoy's order). */
  readonly localities: readonly LocalityHosts[];
  /** The first of `localities` is the sidecar's own. */
  readonly hasLocalLocality: boolean;
}

/** What an assignment says of its priorities. */
export interface PriorityPolicy {
  /** Percent, default 140. */
  readonly overprovisioningFactor: number;
  /** The health of a priority is that of its hosts' weights. */
  readonly weightedPriorityHealth: boolean;
}

/** What a balancer balances over. */
export interface PrioritySet extends PriorityPolicy {
  /** Index = priority; at least one. */
  readonly priorities: readonly PriorityHosts[];
}

/** What createPrioritySet needs besides the hosts. */
export interface PrioritySetOptions extends PriorityPolicy {
  readonly localityWeights: readonly LocalityWeight[];
  /** The sidecar's own; null = it does not say. */
  readonly localLocality: Locality | null;
}

/** Reads every host's health now. */
export function createPrioritySet(
  hosts: readonly UpstreamHost[],
  options: PrioritySetOptions,
): PrioritySet {
  return finish(prioritySetSteps(hosts, options));
}

/** The same; each host's health is read when its turn comes. */
export function* prioritySetSteps(
  hosts: readonly UpstreamHost[],
  options: PrioritySetOptions,
): Steps<PrioritySet> {
  // Priority 0 exists even when it is empty: then it panics, as in Envoy.
  const groups: PriorityGroup[] = [new PriorityGroup()];
  for (let i = 0; i < hosts.length; i++) {
    const host = hosts[i]!;
    while (groups.length <= host.placed.priority) groups.push(new PriorityGroup());
    groups[host.placed.priority]!.add(host);
    if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
  }
  for (const { priority, locality, weight } of options.localityWeights) {
    groups[priority]?.setWeight(locality, weight);
  }
  const localKey = options.localLocality === null ? '' : localityKey(options.localLocality);
  return {
    priorities: groups.map((group) => group.finish(localKey)),
    overprovisioningFactor: options.overprovisioningFactor,
    weightedPriorityHealth: options.weightedPriorityHealth,
  };
}

class HostGroup implements HostLists {
  readonly all: UpstreamHost[] = [];
  readonly healthy: UpstreamHost[] = [];
  readonly degraded: UpstreamHost[] = [];
  readonly excluded: UpstreamHost[] = [];

  push(host: UpstreamHost, health: ReturnType<UpstreamHost['health']>, isExcluded: boolean): void {
    this.all.push(host);
    if (health === 'healthy') this.healthy.push(host);
    else if (health === 'degraded') this.degraded.push(host);
    if (isExcluded) this.excluded.push(host);
  }
}

class LocalityGroup extends HostGroup implements LocalityHosts {
  readonly locality: Locality;
  readonly key: string;
  weight = 0;

  constructor(locality: Locality, key: string) {
    super();
    this.locality = locality;
    this.key = key;
  }
}

class PriorityGroup extends HostGroup {
  readonly #localities = new Map<string, LocalityGroup>();
  /** Hosts come locality by locality, mostly as one object each: most need no lookup. */
  #last: LocalityGroup | null = null;
  #lastLocality: Locality | null = null;

  add(host: UpstreamHost): void {
    const health = host.health();
    const isExcluded = host.isExcluded();
    this.push(host, health, isExcluded);
    this.#groupOf(host.placed.locality).push(host, health, isExcluded);
  }

  /** Of a locality without hosts, it does not matter. */
  setWeight(locality: Locality, weight: number): void {
    const group = this.#localities.get(localityKey(locality));
    if (group !== undefined) group.weight = weight;
  }

  finish(localKey: string): PriorityHosts {
    const { all, healthy, degraded, excluded } = this;
    const localities = [...this.#localities.values()].sort((a, b) => {
      if (a.key === localKey || b.key === localKey) return a.key === localKey ? -1 : 1;
      return a.key < b.key ? -1 : 1;
    });
    const hasLocalLocality = localKey !== '' && localities[0]?.key === localKey;
    return { all, healthy, degraded, excluded, localities, hasLocalLocality };
  }

  #groupOf(locality: Locality): LocalityGroup {
    if (this.#last !== null && this.#lastLocality === locality) return this.#last;
    const key = localityKey(locality);
    let group = this.#localities.get(key);
    if (group === undefined) {
      group = new LocalityGroup(locality, key);
      this.#localities.set(key, group);
    }
    this.#last = group;
    this.#lastLocality = locality;
    return group;
  }
}

/** Orders as (region, zone, sub zone) does: U+0000 comes before whatever a name has. */
export function localityKey({ region, zone, subZone }: Locality): string {
  return `${region}\0${zone}\0${subZone}`;
}

/** `policies`: one for all, or one for each. `panicThresholdPercent` 0..100, 0 = never panic. */
export function priorityLoad(
  priorities: readonly HostLists[],
  policies: PriorityPolicy | readonly PriorityPolicy[],
  panicThresholdPercent: number,
): PriorityLoad {
  const health = (hosts: readonly UpstreamHost[], lists: HostLists, priority: number): number => {
    const policy = 'length' in policies ? policies[priority]! : policies;
    const sizeOf = policy.weightedPriorityHealth ? weightOf : countOf;
    // Envoy: without a host that counts there is no health, whatever the weights.
    if (counted(lists) === 0) return 0;
    const total = sizeOf(lists.all) - sizeOf(lists.excluded);
    return Math.min(100, Math.floor((policy.overprovisioningFactor * sizeOf(hosts)) / total));
  };
  const healthyPercent = priorities.map((lists, i) => health(lists.healthy, lists, i));
  const degradedPercent = priorities.map((lists, i) => health(lists.degraded, lists, i));
  const availability = { healthy: healthyPercent, degraded: degradedPercent };
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const normalized = Math.min(100, sum(healthyPercent) + sum(degradedPercent));

  const panic = priorities.map(
    (lists) => normalized !== 100 && isInPanic(lists, panicThresholdPercent),
  );
  if (priorities.length > 0 && panic.every(Boolean)) {
    return { ...loadByHostCount(priorities), panic, availability };
  }
  if (normalized === 0) {
    const first = priorities.map((_, priority) => (priority === 0 ? 100 : 0));
    return { healthy: first, degraded: priorities.map(() => 0), panic, availability };
  }

  let remaining = 100;
  const assign = (percents: readonly number[]) =>
    percents.map((percent) => {
      const load = Math.min(remaining, Math.floor((percent * 100) / normalized));
      remaining -= load;
      return load;
    });
  const healthy = assign(healthyPercent);
  const degraded = assign(degradedPercent);
  if (remaining > 0) {
    // The rounding remainder goes to the first priority that gets load at all.
    const firstHealthy = healthy.findIndex((load) => load > 0);
    if (firstHealthy !== -1) healthy[firstHealthy]! += remaining;
    else
      degraded[
        Math.max(
          0,
          degraded.findIndex((load) => load > 0),
        )
      ]! += remaining;
  }
  return { healthy, degraded, panic, availability };
}

/** Too few of its hosts are usable, by number and without overprovisioning; Envoy: isHostSetInPanic. */
export function isInPanic(lists: HostLists, panicThresholdPercent: number): boolean {
  const total = counted(lists);
  const usable = lists.healthy.length + lists.degraded.length;
  return (total === 0 ? 0 : (100 * usable) / total) < panicThresholdPercent;
}

function counted({ all, excluded }: HostLists): number {
  return all.length - excluded.length;
}

function countOf(hosts: readonly UpstreamHost[]): number {
  return hosts.length;
}

function weightOf(hosts: readonly UpstreamHost[]): number {
  let sum = 0;
  for (const host of hosts) sum += host.weight();
  return sum;
}

/** Every priority panics: load in proportion to the number of hosts. */
function loadByHostCount(
  priorities: readonly HostLists[],
): Pick<PriorityLoad, 'healthy' | 'degraded'> {
  const total = priorities.reduce((count, { all }) => count + all.length, 0);
  let remaining = 100;
  const healthy = priorities.map(({ all }) => {
    const load = total === 0 ? 0 : Math.floor((100 * all.length) / total);
    remaining -= load;
    return load;
  });
  const first = Math.max(
    0,
    priorities.findIndex(({ all }) => all.length > 0),
  );
  if (healthy.length > 0) healthy[first]! += remaining;
  return { healthy, degraded: priorities.map(() => 0) };
}
