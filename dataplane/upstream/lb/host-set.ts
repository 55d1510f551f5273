// The hosts of a cluster by priority, and how much load each priority gets. Immutable: a new one is made
// when the assignment or somebody's health changes. Arithmetic: envoy-behaviour.md 2.1, in whole percent.

import type { PriorityLoad } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';

/** One priority's lists. */
export interface PriorityHosts {
  readonly all: readonly UpstreamHost[];
  readonly healthy: readonly UpstreamHost[];
  readonly degraded: readonly UpstreamHost[];
  /** Hosts of `all` that do not count in the arithmetic; none of them is healthy. */
  readonly excludedCount: number;
}

/** What a balancer balances over. */
export interface PrioritySet {
  /** Index = priority; at least one. */
  readonly priorities: readonly PriorityHosts[];
  /** Percent, default 140. */
  readonly overprovisioningFactor: number;
}

/** Reads every host's health now; index = priority. */
export function groupByPriority(hosts: readonly UpstreamHost[]): readonly PriorityHosts[] {
  // Priority 0 exists even when it is empty: then it panics, as in Envoy.
  const groups: Group[] = [emptyGroup()];
  for (const host of hosts) {
    while (groups.length <= host.placed.priority) groups.push(emptyGroup());
    const group = groups[host.placed.priority]!;
    group.all.push(host);
    const health = host.health();
    if (health === 'healthy') group.healthy.push(host);
    else if (health === 'degraded') group.degraded.push(host);
    if (host.isExcluded()) group.excludedCount++;
  }
  return groups;
}

interface Group {
  readonly all: UpstreamHost[];
  readonly healthy: UpstreamHost[];
  readonly degraded: UpstreamHost[];
  excludedCount: number;
}

function emptyGroup(): Group {
  return { all: [], healthy: [], degraded: [], excludedCount: 0 };
}

/** `overprovisioningFactor` in percent (140), `panicThresholdPercent` 0..100, 0 = never panic. */
export function priorityLoad(
  priorities: readonly PriorityHosts[],
  overprovisioningFactor: number,
  panicThresholdPercent: number,
): PriorityLoad {
  const health = (count: number, total: number) =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningFactor * count) / total));
  const healthyPercent = priorities.map((hosts) => health(hosts.healthy.length, counted(hosts)));
  const degradedPercent = priorities.map((hosts) => health(hosts.degraded.length, counted(hosts)));
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const normalized = Math.min(100, sum(healthyPercent) + sum(degradedPercent));

  const panic = priorities.map((hosts) => {
    if (normalized === 100 || panicThresholdPercent === 0) return false;
    const total = counted(hosts);
    const usable = hosts.healthy.length + hosts.degraded.length;
    return (total === 0 ? 0 : (100 * usable) / total) < panicThresholdPercent;
  });
  if (priorities.length > 0 && panic.every(Boolean)) {
    return { ...loadByHostCount(priorities), panic };
  }
  if (normalized === 0) {
    const first = priorities.map((_, priority) => (priority === 0 ? 100 : 0));
    return { healthy: first, degraded: priorities.map(() => 0), panic };
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
  return { healthy, degraded, panic };
}

function counted({ all, excludedCount }: PriorityHosts): number {
  return all.length - excludedCount;
}

/** Every priority panics: load in proportion to the number of hosts. */
function loadByHostCount(priorities: readonly PriorityHosts[]): Omit<PriorityLoad, 'panic'> {
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
