// All clusters as main sees them: where hosts come from, slots in shared memory, outlier decisions. Sends
// workers only complete things, through callbacks; server/ gives it the channel.

import type { Clock, Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { ClusterConfig, LoadAssignment, PlacedAssignment } from '../../api/config/cluster.ts';
import type { StatField, StatsStore } from '../../api/stats.ts';
import { clusterScope } from '../cluster-stats.ts';
import type { NameResolver } from '../discovery/name-resolver.ts';
import type { OutlierLogEvent } from '../outlier/detector.ts';
import type { OutlierThresholdEvent } from '../outlier/outlier-event.ts';
import type { SlotAllocator, SlotRef } from '../shared-state.ts';
import { SupervisedCluster } from './supervised-cluster.ts';

export interface SupervisionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly slots: SlotAllocator;
  readonly stats: StatsStore;
  resolverFor(servers: readonly string[]): NameResolver;
  /** A cluster, new or changed; its assignment follows (or came before, when it changed). */
  onCluster(config: ClusterConfig, slot: SlotRef): void;
  onClusterRemoved(name: string): void;
  onPlaced(assignment: PlacedAssignment): void;
  onOutlierEvent(event: OutlierLogEvent): void;
}

class ManagerStats {
  static readonly stats: readonly StatField[] = [
    { field: 'clusterAdded', name: 'cluster_added', kind: 'counter' },
    { field: 'clusterModified', name: 'cluster_modified', kind: 'counter' },
    { field: 'clusterRemoved', name: 'cluster_removed', kind: 'counter' },
    { field: 'activeClusters', name: 'active_clusters', kind: 'gauge' },
  ];

  clusterAdded = 0;
  clusterModified = 0;
  clusterRemoved = 0;
  activeClusters = 0;
}

const managerScope = {
  prefix: 'cluster_manager',
  promPrefix: 'envoy_cluster_manager',
  labels: {},
};

export class ClusterSupervision {
  readonly #parts: SupervisionParts;
  readonly #clusters = new Map<string, SupervisedCluster>();
  readonly #stats = new ManagerStats();
  /** EDS assignments by resource name, for clusters that come after them. */
  readonly #assignments = new Map<string, LoadAssignment>();
  #onAllPlaced: (() => void) | null = null;

  constructor(parts: SupervisionParts) {
    this.#parts = {
      ...parts,
      onPlaced: (assignment) => {
        parts.onPlaced(assignment);
        this.#checkAllPlaced();
      },
    };
    parts.stats.add(managerScope, this.#stats);
  }

  addOrUpdate(config: ClusterConfig, addedViaApi: boolean): void {
    const former = this.#clusters.get(config.name);
    if (former !== undefined) {
      this.#stats.clusterModified++;
      this.#unregister(former);
      this.#parts.onCluster(config, former.slot);
      former.update(config);
      this.#register(former);
      this.#applyEds(former);
      return;
    }
    const slot = this.#parts.slots.allocate();
    const cluster = new SupervisedCluster(config, slot, addedViaApi, this.#parts);
    this.#clusters.set(config.name, cluster);
    this.#stats.clusterAdded++;
    this.#stats.activeClusters++;
    this.#register(cluster);
    this.#parts.onCluster(config, slot);
    cluster.start();
    this.#applyEds(cluster);
  }

  remove(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#stats.clusterRemoved++;
    this.#stats.activeClusters--;
    this.#unregister(cluster);
    this.#parts.onClusterRemoved(name);
    cluster.close();
  }

  /** An EDS resource. */
  applyEndpoints(assignment: LoadAssignment): void {
    this.#assignments.set(assignment.clusterName, assignment);
    for (const cluster of this.#clusters.values()) {
      const { type, edsServiceName } = cluster.config;
      if (type === 'EDS' && edsServiceName === assignment.clusterName) cluster.place(assignment);
    }
  }

  onThreshold({ cluster, address, kind }: OutlierThresholdEvent): void {
    this.#clusters.get(cluster)?.onThreshold(address, kind);
  }

  clusters(): Iterable<SupervisedCluster> {
    return this.#clusters.values();
  }

  /** Calls back once every static and DNS cluster has its first hosts (EDS is the xDS client's to wait for). */
  whenPlaced(callback: () => void): void {
    this.#onAllPlaced = callback;
    this.#checkAllPlaced();
  }

  close(): void {
    for (const cluster of this.#clusters.values()) cluster.close();
  }

  #applyEds(cluster: SupervisedCluster): void {
    if (cluster.config.type !== 'EDS') return;
    const assignment = this.#assignments.get(cluster.config.edsServiceName);
    if (assignment !== undefined) cluster.place(assignment);
  }

  #checkAllPlaced(): void {
    if (this.#onAllPlaced === null) return;
    for (const { config, isPlaced } of this.#states()) {
      if (config.type !== 'EDS' && !isPlaced) return;
    }
    const callback = this.#onAllPlaced;
    this.#onAllPlaced = null;
    callback();
  }

  *#states(): Iterable<{ readonly config: ClusterConfig; readonly isPlaced: boolean }> {
    for (const cluster of this.#clusters.values()) {
      yield { config: cluster.config, isPlaced: cluster.isPlaced() };
    }
  }

  #register(cluster: SupervisedCluster): void {
    const scope = clusterScope(cluster.config);
    this.#parts.stats.add(scope, cluster.stats);
    if (cluster.detector !== null) this.#parts.stats.add(scope, cluster.detector.stats);
  }

  #unregister(cluster: SupervisedCluster): void {
    this.#parts.stats.remove(cluster.stats);
    if (cluster.detector !== null) this.#parts.stats.remove(cluster.detector.stats);
  }
}
