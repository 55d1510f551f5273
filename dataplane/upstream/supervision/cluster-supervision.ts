// All clusters as main sees them: hosts from configuration, DNS and EDS, their slots in shared memory,
// outlier decisions. Tells the workers through callbacks; server/ gives it the channel.
//
// Order that the callbacks keep, per cluster: [shared chunk], onCluster, onPlaced*, onClusterRemoved.

import type { ClusterConfig, LoadAssignment } from '../../api/config/cluster.ts';
import type { StatField } from '../../api/stats.ts';
import { clusterScope } from '../cluster-stats.ts';
import { outOfBandPolicy } from '../orca/load-reports.ts';
import type { OutlierReport } from '../outlier/outlier-event.ts';
import type { SupervisedParts, SupervisionParts } from './parts.ts';
import { SupervisedCluster } from './supervised-cluster.ts';
import type { UpdateStats } from './update-merger.ts';

class ManagerStats implements UpdateStats {
  static readonly stats: readonly StatField[] = [
    { field: 'clusterAdded', name: 'cluster_added', kind: 'counter' },
    { field: 'clusterModified', name: 'cluster_modified', kind: 'counter' },
    { field: 'clusterRemoved', name: 'cluster_removed', kind: 'counter' },
    { field: 'clusterUpdated', name: 'cluster_updated', kind: 'counter' },
    { field: 'clusterUpdatedViaMerge', name: 'cluster_updated_via_merge', kind: 'counter' },
    { field: 'updateMergeCancelled', name: 'update_merge_cancelled', kind: 'counter' },
    { field: 'updateOutOfMergeWindow', name: 'update_out_of_merge_window', kind: 'counter' },
    { field: 'activeClusters', name: 'active_clusters', kind: 'gauge' },
    { field: 'warmingClusters', name: 'warming_clusters', kind: 'gauge' },
  ];

  clusterAdded = 0;
  clusterModified = 0;
  clusterRemoved = 0;
  clusterUpdated = 0;
  clusterUpdatedViaMerge = 0;
  updateMergeCancelled = 0;
  updateOutOfMergeWindow = 0;
  activeClusters = 0;
  warmingClusters = 0;
}

const managerScope = {
  prefix: 'cluster_manager',
  promPrefix: 'envoy_cluster_manager',
  labels: {},
};

/** See the file head. */
export class ClusterSupervision {
  readonly #parts: SupervisedParts;
  readonly #clusters = new Map<string, SupervisedCluster>();
  readonly #stats = new ManagerStats();
  /** Last EDS assignments by resource name, for clusters that are added or changed after they came. */
  readonly #endpoints = new Map<string, LoadAssignment>();
  #onAllWarm: (() => void) | null = null;

  constructor(parts: SupervisionParts) {
    this.#parts = {
      ...parts,
      updates: this.#stats,
      onWarm: (name) => {
        this.#countClusters();
        parts.onWarm(name);
        this.#checkAllWarm();
      },
    };
    parts.stats.add(managerScope, this.#stats);
  }

  /** A cluster of static_resources or CDS. */
  addOrUpdate(config: ClusterConfig, addedViaApi: boolean): void {
    const former = this.#clusters.get(config.name);
    if (former !== undefined) {
      this.#stats.clusterModified++;
      this.#unregister(former);
      this.#forgetEndpoints(former.config.edsServiceName, config);
      former.update(config);
      this.#register(former);
      this.#parts.onCluster(config, former.slot);
      former.start();
      this.#placeKnown(former);
      return;
    }
    const slot = this.#parts.slots.allocate();
    const cluster = new SupervisedCluster(config, slot, addedViaApi, this.#parts);
    this.#clusters.set(config.name, cluster);
    this.#stats.clusterAdded++;
    this.#countClusters();
    this.#register(cluster);
    this.#parts.onCluster(config, slot);
    cluster.start();
    this.#placeKnown(cluster);
  }

  remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#stats.clusterRemoved++;
    this.#countClusters();
    this.#unregister(cluster);
    this.#forgetEndpoints(cluster.config.edsServiceName, null);
    this.#parts.onClusterRemoved(name);
    cluster.close();
    this.#checkAllWarm();
  }

  /** An EDS resource: for every EDS cluster that names it. */
  applyEndpoints(assignment: LoadAssignment): void {
    const clusters = this.#namedBy(assignment.clusterName);
    if (clusters.length === 0) return;
    this.#endpoints.set(assignment.clusterName, assignment);
    for (const cluster of clusters) cluster.place(assignment);
  }

  /** initial_fetch_timeout of that EDS resource is over. */
  onInitialFetchTimeout(edsServiceName: string): void {
    for (const cluster of this.#namedBy(edsServiceName)) cluster.onInitialFetchTimeout();
  }

  /** From a worker. */
  onOutlierReport(report: OutlierReport): void {
    this.#clusters.get(report.cluster)?.onOutlierReport(report);
  }

  /** From a worker: that host's response said x-envoy-immediate-health-check-fail. */
  onImmediateHealthCheckFail(cluster: string, address: string): void {
    this.#clusters.get(cluster)?.onImmediateHealthCheckFail(address);
  }

  /** Runtime keys have other values. */
  onRuntimeChange(): void {
    for (const cluster of this.#clusters.values()) cluster.onRuntimeChange();
  }

  /** TLS has one secret more. */
  onSecret(): void {
    for (const cluster of this.#clusters.values()) cluster.onSecret();
  }

  clusters(): Iterable<SupervisedCluster> {
    return this.#clusters.values();
  }

  get(name: string): SupervisedCluster | null {
    return this.#clusters.get(name) ?? null;
  }

  /** Calls back once, when every cluster known then is warm; at once if they are. */
  whenAllWarm(callback: () => void): void {
    this.#onAllWarm = callback;
    this.#checkAllWarm();
  }

  /** The process ends: stops timers; the workers are not told. */
  close(): void {
    for (const cluster of this.#clusters.values()) cluster.close();
    this.#clusters.clear();
    this.#parts.slots.close();
  }

  #namedBy(edsServiceName: string): SupervisedCluster[] {
    return [...this.#clusters.values()].filter(
      ({ config }) => config.type === 'EDS' && config.edsServiceName === edsServiceName,
    );
  }

  #placeKnown(cluster: SupervisedCluster): void {
    const { type, edsServiceName } = cluster.config;
    if (type !== 'EDS') return;
    const assignment = this.#endpoints.get(edsServiceName);
    if (assignment !== undefined) cluster.place(assignment);
  }

  /** `next`: the config that takes the place of the one that named them. */
  #forgetEndpoints(edsServiceName: string, next: ClusterConfig | null): void {
    if (next?.edsServiceName === edsServiceName) return;
    const users = this.#namedBy(edsServiceName).filter(({ config }) => config.name !== next?.name);
    if (users.length === 0) this.#endpoints.delete(edsServiceName);
  }

  #checkAllWarm(): void {
    if (this.#onAllWarm === null) return;
    for (const cluster of this.#clusters.values()) if (!cluster.isWarm()) return;
    const callback = this.#onAllWarm;
    this.#onAllWarm = null;
    callback();
  }

  #countClusters(): void {
    let warming = 0;
    for (const cluster of this.#clusters.values()) if (!cluster.isWarm()) warming++;
    this.#stats.warmingClusters = warming;
    this.#stats.activeClusters = this.#clusters.size - warming;
  }

  #register(cluster: SupervisedCluster): void {
    const scope = clusterScope(cluster.config);
    this.#parts.stats.add(scope, cluster.stats);
    if (cluster.config.outlierDetection !== null) {
      this.#parts.stats.add(scope, cluster.outlierStats);
    }
    if (cluster.config.healthCheck !== null) {
      this.#parts.stats.add(scope, cluster.healthCheckStats);
    }
    if (outOfBandPolicy(cluster.config.loadBalancing) !== null) {
      this.#parts.stats.add(scope, cluster.loadReportStats);
    }
  }

  #unregister(cluster: SupervisedCluster): void {
    this.#parts.stats.remove(cluster.stats);
    this.#parts.stats.remove(cluster.outlierStats);
    this.#parts.stats.remove(cluster.healthCheckStats);
    this.#parts.stats.remove(cluster.loadReportStats);
  }
}
