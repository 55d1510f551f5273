// The hosts that a management server wants checked under one cluster name, with a checker for each of its health checks.
// They take no traffic: their flags are nobody's but ours. Owned by health-delegate.ts.

import { isSameJson } from '../../common/same-json.ts';
import type { ClusterConfig, HostConfig, Locality, PlacedHost } from '../api/config/cluster.ts';
import { clusterScope } from '../upstream/cluster-stats.ts';
import { HealthCheckStats } from '../upstream/health/health-check-stats.ts';
import {
  HealthChecker,
  type HealthCheckParts,
  type HostSlot,
} from '../upstream/health/health-checker.ts';
import { HealthFlag, hasHealthFlag, privateSlot } from '../upstream/shared-state.ts';
import { hostAddress } from '../upstream/supervision/host-table.ts';

/** Of EndpointHealth, as Envoy uses them. */
export type CheckedHealth = 'HEALTHY' | 'UNHEALTHY' | 'TIMEOUT';

/** Two checks of one host that differ: the worse. */
const order: readonly CheckedHealth[] = ['HEALTHY', 'UNHEALTHY', 'TIMEOUT'];

/** One of the cluster's health checks. */
interface Check {
  readonly config: ClusterConfig;
  readonly checker: HealthChecker;
  /** By `ip:port`. */
  readonly slots: Map<string, HostSlot>;
}

export class CheckedCluster {
  readonly #parts: HealthCheckParts;
  readonly #stats = new HealthCheckStats();
  #checks: readonly Check[] = [];
  /** For the stats' place. */
  readonly #first: ClusterConfig;

  /** `configs` of `update`; at least one. */
  constructor(configs: readonly [ClusterConfig, ...ClusterConfig[]], parts: HealthCheckParts) {
    this.#parts = parts;
    [this.#first] = configs;
    parts.stats.add(clusterScope(this.#first), this.#stats);
    this.update(configs);
  }

  /** The same cluster with each of its health checks. What is checked as before goes on. */
  update(configs: readonly ClusterConfig[]): void {
    const before = this.#checks;
    this.#checks = configs.map((config, i) => {
      const former = before[i];
      if (former === undefined || !isCheckedAlike(former.config, config)) {
        return this.#start(config, null);
      }
      return this.#start(config, former);
    });
    for (const check of before) {
      if (!this.#checks.some(({ checker }) => checker === check.checker)) check.checker.close();
    }
  }

  /** What the checks found of a host. One that was not checked yet fails. */
  healthOf(address: string): CheckedHealth {
    let worst: CheckedHealth = 'HEALTHY';
    for (const { slots } of this.#checks) {
      const slot = slots.get(address)?.slot;
      if (slot === undefined || !hasHealthFlag(slot, HealthFlag.FailedActiveHc)) continue;
      const found = hasHealthFlag(slot, HealthFlag.ActiveHcTimeout) ? 'TIMEOUT' : 'UNHEALTHY';
      if (order.indexOf(found) > order.indexOf(worst)) worst = found;
    }
    return worst;
  }

  close(): void {
    for (const { checker } of this.#checks) checker.close();
    this.#parts.stats.remove(this.#stats);
  }

  /** `former`: the same check, of perhaps other hosts. */
  #start(config: ClusterConfig, former: Check | null): Check {
    const { healthCheck: check } = config;
    if (check === null) throw new Error('a cluster without a health check'); // the delegate gave one
    const checker =
      former?.checker ??
      new HealthChecker({
        cluster: config,
        check,
        stats: this.#stats,
        parts: this.#parts,
        // As in Envoy: there is none, so no_traffic_interval is the one that counts.
        hasTraffic: () => false,
        onResult: () => {},
      });
    const slots = new Map<string, HostSlot>();
    const added = new Set<string>();
    for (const host of hostsOf(config)) {
      const address = hostAddress(host);
      const known = former?.slots.get(address);
      if (known === undefined) added.add(address);
      slots.set(address, { host, slot: known?.slot ?? privateSlot() });
    }
    checker.setHosts([...slots.values()], added);
    checker.start();
    return { config, checker, slots };
  }
}

/** All but the hosts is as it was. */
function isCheckedAlike(a: ClusterConfig, b: ClusterConfig): boolean {
  return isSameJson({ ...a, loadAssignment: null }, { ...b, loadAssignment: null });
}

function hostsOf({ loadAssignment }: ClusterConfig): PlacedHost[] {
  return (loadAssignment?.localities ?? []).flatMap(({ hosts, priority, ...locality }) =>
    hosts.map((host) => placed(host, locality, priority)),
  );
}

/** Its slot is private: nobody looks for it in a chunk. */
function placed(host: HostConfig, locality: Locality, priority: number): PlacedHost {
  return { ...host, locality, priority, chunk: -1, slot: -1 };
}
