// All clusters of one worker. Main sends a cluster before its hosts, and both before what routes to it
// (supervision/cluster-supervision).

import type { Cluster, ClusterManager } from '../api/cluster.ts';
import type { AssignmentPart, ClusterConfig, PlacedAssignment } from '../api/config/cluster.ts';
import type { StatsStore } from '../api/stats.ts';
import { type ClusterParts, UpstreamCluster } from './cluster.ts';
import { clusterScope } from './cluster-stats.ts';
import type { HostReport } from './host-report.ts';
import type { LocalCluster } from './lb/load-balancer.ts';
import { type ClusterLoadReport, loadReports } from './load-report.ts';
import type { SlotAddress } from './shared-state.ts';
import { StepRunner, type Steps } from './steps.ts';

/** See the file head. */
export class WorkerClusterManager implements ClusterManager {
  readonly #parts: ClusterParts;
  readonly #stats: StatsStore;
  readonly #clusters = new Map<string, UpstreamCluster>();
  readonly #localCluster: LocalCluster;
  /** Host sets on their way into clusters. */
  readonly #changes: StepRunner;

  constructor(parts: ClusterParts, stats: StatsStore) {
    this.#parts = parts;
    this.#stats = stats;
    this.#changes = new StepRunner(parts.clock, parts.timers);
    const local = () => this.#clusters.get(parts.localClusterName) ?? null;
    this.#localCluster = {
      version: () => local()?.hostsVersion() ?? -1,
      localHosts: () => local()?.firstPriority() ?? null,
    };
  }

  getCluster(name: string): Cluster | null {
    return this.#clusters.get(name) ?? null;
  }

  /** A changed cluster takes the place of the old one at once; requests under way finish on the old one. */
  addOrUpdate(config: ClusterConfig, slot: SlotAddress): void {
    this.#changes.finish(config.name);
    const former = this.#clusters.get(config.name) ?? null;
    // Before the new one registers: they share the stats objects.
    if (former !== null) this.#unregister(former);
    const cluster = new UpstreamCluster(
      config,
      slot,
      this.#parts,
      former,
      this.#localCluster,
      (name) => this.#clusters.get(name) ?? null,
    );
    if (former !== null) cluster.takeHosts(former);
    this.#clusters.set(config.name, cluster);
    const scope = clusterScope(config);
    this.#stats.add(scope, cluster.stats);
    this.#stats.add(clusterScope(config, 'http1'), cluster.codecStats);
    if (config.http.protocol !== 'HTTP/1.1') {
      this.#stats.add(clusterScope(config, 'http2'), cluster.http2Stats);
    }
    this.#stats.add(scope, cluster.breakerStats);
    if (cluster.hashTableStats !== null) this.#stats.add(scope, cluster.hashTableStats);
    if (cluster.ownHostStats !== null) this.#stats.add(scope, cluster.ownHostStats);
    former?.drain();
  }

  remove(name: string): void {
    this.#changes.finish(name);
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#unregister(cluster);
    cluster.drain();
  }

  /**
   * A part of what supervision/assignment-sender sends, taken in over as many turns as it needs; `onTaken` is called after
   * the last of them, maybe before this returns. With the last part of an update, requests are given its hosts from then on.
   */
  receive(part: AssignmentPart, onTaken: () => void): void {
    this.#changes.run(part.clusterName, this.#take(part), onTaken);
  }

  *#take({ clusterName, hosts, last }: AssignmentPart): Steps {
    const cluster = this.#clusters.get(clusterName);
    if (cluster === undefined) return;
    yield* cluster.prepareHosts(hosts);
    if (last !== null) yield* cluster.changeHosts(last.policy, last.removed);
  }

  /** A full host set, at once. */
  applyAssignment(assignment: PlacedAssignment): void {
    this.#clusters.get(assignment.clusterName)?.applyAssignment(assignment);
  }

  /** A host of a cluster was ejected. */
  onHostHealthFailure(cluster: string, host: SlotAddress): void {
    this.#clusters.get(cluster)?.onHostHealthFailure(host);
  }

  /** For /clusters. */
  hostReports(): HostReport[] {
    const reports: HostReport[] = [];
    for (const cluster of this.#clusters.values()) {
      const isOwn = cluster.config.provided !== null;
      for (const host of cluster.hosts()) {
        const { identity, placed, stats } = host;
        reports.push({
          cluster: cluster.config.name,
          address: identity,
          own: isOwn
            ? { host: placed, cxActive: host.cxActive(), rqActive: host.rqActive() }
            : null,
          cxTotal: stats.cxTotal,
          cxConnectFail: stats.cxConnectFail,
          rqPendingActive: stats.rqPendingActive,
          rqTotal: stats.rqTotal,
          rqSuccess: stats.rqSuccess,
          rqError: stats.rqError,
          rqTimeout: stats.rqTimeout,
        });
      }
    }
    return reports;
  }

  /** For the load reporter. */
  loadReports(): ClusterLoadReport[] {
    return loadReports(this.#clusters.values());
  }

  /** The worker ends: closes every pooled connection. */
  closeAll(): void {
    for (const cluster of this.#clusters.values()) cluster.closeAll();
  }

  #unregister(cluster: UpstreamCluster): void {
    this.#stats.remove(cluster.stats);
    this.#stats.remove(cluster.codecStats);
    this.#stats.remove(cluster.http2Stats);
    this.#stats.remove(cluster.breakerStats);
    if (cluster.ownHostStats !== null) this.#stats.remove(cluster.ownHostStats);
    if (cluster.hashTableStats !== null) this.#stats.remove(cluster.hashTableStats);
  }
}
