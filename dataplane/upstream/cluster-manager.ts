// All clusters of one worker. Main sends a cluster when it is warm, always before what routes to it.

import type { Cluster, ClusterManager } from '../api/cluster.ts';
import type { ClusterConfig, PlacedAssignment } from '../api/config/cluster.ts';
import type { StatsStore } from '../api/stats.ts';
import { type ClusterParts, UpstreamCluster } from './cluster.ts';
import { clusterScope } from './cluster-stats.ts';
import type { HostReport } from './host-report.ts';
import type { SlotRef } from './shared-state.ts';

export class WorkerClusterManager implements ClusterManager {
  readonly #parts: ClusterParts;
  readonly #stats: StatsStore;
  readonly #clusters = new Map<string, UpstreamCluster>();
  /** By cluster name; kept so that a replaced cluster starts with its hosts. */
  readonly #assignments = new Map<string, PlacedAssignment>();

  constructor(parts: ClusterParts, stats: StatsStore) {
    this.#parts = parts;
    this.#stats = stats;
  }

  getCluster(name: string): Cluster | null {
    return this.#clusters.get(name) ?? null;
  }

  addOrUpdate(config: ClusterConfig, slot: SlotRef): void {
    const former = this.#clusters.get(config.name) ?? null;
    // Before the new one registers: they may share the stats objects.
    if (former !== null) this.#unregister(former);
    const cluster = new UpstreamCluster(config, slot, this.#parts, former);
    const assignment = this.#assignments.get(config.name);
    if (assignment !== undefined) cluster.applyAssignment(assignment);
    this.#clusters.set(config.name, cluster);
    const scope = clusterScope(config);
    this.#stats.add(scope, cluster.stats);
    this.#stats.add(scope, cluster.codecStats);
    this.#stats.add(scope, cluster);
    former?.drain();
  }

  remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#assignments.delete(name);
    this.#unregister(cluster);
    cluster.drain();
  }

  applyAssignment(assignment: PlacedAssignment): void {
    this.#assignments.set(assignment.clusterName, assignment);
    this.#clusters.get(assignment.clusterName)?.applyAssignment(assignment);
  }

  hostReports(): HostReport[] {
    const reports: HostReport[] = [];
    for (const cluster of this.#clusters.values()) {
      for (const host of cluster.hosts()) {
        const { cxTotal, cxConnectFail, rqTotal, rqSuccess, rqError, rqTimeout } = host.stats;
        reports.push({
          cluster: cluster.config.name,
          address: host.addressText,
          cxTotal,
          cxConnectFail,
          rqTotal,
          rqSuccess,
          rqError,
          rqTimeout,
        });
      }
    }
    return reports;
  }

  closeAll(): void {
    for (const cluster of this.#clusters.values()) cluster.closeAll();
  }

  #unregister(cluster: UpstreamCluster): void {
    this.#stats.remove(cluster.stats);
    this.#stats.remove(cluster.codecStats);
    this.#stats.remove(cluster);
  }
}
