// Clusters in main, wired to the workers: supervision decides, this file sends and answers /clusters.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { ClusterConfig, LoadAssignment } from '../api/config/cluster.ts';
import type { DnsResolverConfig } from '../api/config/dns.ts';
import type { SecretData } from '../api/config/tls.ts';
import type { ClusterSample } from '../api/load-sample.ts';
import type { StatsStore } from '../api/stats.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { createClusterTls } from '../upstream/cluster-tls.ts';
import { type NameResolver, systemNameResolver } from '../upstream/discovery/name-resolver.ts';
import type { DnsCacheRequest } from '../upstream/dynamic-forward-proxy/cache-messages.ts';
import { MainDnsCaches } from '../upstream/dynamic-forward-proxy/main-dns-caches.ts';
import type { NamedBreaker } from '../upstream/error-ratio-breaker.ts';
import type { HealthCheckParts } from '../upstream/health/health-checker.ts';
import { ReportIndex } from '../upstream/host-report.ts';
import { LoadIndex } from '../upstream/load-sample.ts';
import type { OutlierReport } from '../upstream/outlier/outlier-event.ts';
import type { OutlierStatus } from '../upstream/outlier/status.ts';
import { SharedChunks } from '../upstream/shared-state.ts';
import { AssignmentSender } from '../upstream/supervision/assignment-sender.ts';
import { ClusterSupervision } from '../upstream/supervision/cluster-supervision.ts';
import { SlotAllocator } from '../upstream/supervision/slot-allocator.ts';
import type { ClusterStatus } from './admin/sources.ts';
import type { Supervisor } from './supervisor.ts';

export interface ClusterDirectoryParts {
  readonly supervisor: Supervisor;
  readonly stats: StatsStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Some cluster is no longer warming. */
  onWarm(): void;
  /** A line for the outlier event log, without line end. */
  onOutlierEvent(line: string): void;
  /** A line for each of these health-check event logs, without line end. */
  onHealthCheckEvent(paths: readonly string[], line: string): void;
}

export class ClusterDirectory {
  /** For whoever checks hosts besides: delegated health checks. */
  readonly healthCheckParts: HealthCheckParts;
  readonly #parts: ClusterDirectoryParts;
  readonly #chunks = new SharedChunks();
  readonly #supervision: ClusterSupervision;
  readonly #assignments: AssignmentSender;
  readonly #dnsCaches: MainDnsCaches;
  readonly #resolvers = new Map<string, NameResolver>();
  /** For the TLS of health checks. */
  readonly #secrets = new SecretStore();
  #lastConnection = 0;

  constructor(parts: ClusterDirectoryParts) {
    this.#parts = parts;
    const { supervisor, stats, clock, random, timers } = parts;
    this.#assignments = new AssignmentSender((id, part) => {
      supervisor.broadcast({ type: 'assignment', id, part });
      return supervisor.count;
    });
    this.#dnsCaches = new MainDnsCaches({
      clock,
      random,
      timers,
      stats,
      resolverFor: (config) => this.#resolverFor(config),
      publish: (update, cache) => supervisor.broadcast({ type: 'dns-cache', update, cache }),
    });
    this.healthCheckParts = {
      clock,
      random,
      timers,
      stats,
      createTls: (config) => createClusterTls(config, this.#secrets, stats),
      // Workers count upwards.
      nextConnectionId: () => --this.#lastConnection,
      onHealthCheckEvent: (paths, line) => parts.onHealthCheckEvent(paths, line),
    };
    this.#supervision = new ClusterSupervision({
      ...this.healthCheckParts,
      chunks: this.#chunks,
      slots: new SlotAllocator({
        shared: this.#chunks,
        clock,
        timers,
        onChunk: (index, buffer) => supervisor.broadcast({ type: 'shared-chunk', index, buffer }),
      }),
      resolverFor: (config) => this.#resolverFor(config),
      onCluster: (config, slot) => supervisor.broadcast({ type: 'cluster', config, slot }),
      onClusterRemoved: (name) => {
        this.#assignments.forget(name);
        supervisor.broadcast({ type: 'cluster-remove', name });
      },
      onPlaced: (assignment, onSent) => this.#assignments.send(assignment, onSent),
      onWarm: () => parts.onWarm(),
      onHostHealthFailure: (cluster, { chunk, slot }) =>
        supervisor.broadcast({ type: 'host-health-failure', cluster, host: { chunk, slot } }),
      onOutlierEvent: (line) => parts.onOutlierEvent(line),
    });
  }

  addOrUpdate(config: ClusterConfig, addedViaApi: boolean): void {
    this.#supervision.addOrUpdate(config, addedViaApi);
    const { provided } = config;
    if (provided?.kind === 'DYNAMIC_FORWARD_PROXY') this.#dnsCaches.start(provided.cache);
  }

  remove(name: string): void {
    this.#supervision.remove(name);
  }

  applyEndpoints(assignment: LoadAssignment): void {
    this.#supervision.applyEndpoints(assignment);
  }

  /** A worker has taken that part of a host set. */
  onAssignmentTaken(id: number): void {
    this.#assignments.onTaken(id);
  }

  onOutlierReport(report: OutlierReport): void {
    this.#supervision.onOutlierReport(report);
  }

  /** A worker wants a name resolved, or uses it on. */
  onDnsCacheRequest(request: DnsCacheRequest): void {
    this.#dnsCaches.onRequest(request);
  }

  onImmediateHealthCheckFail(cluster: string, address: string): void {
    this.#supervision.onImmediateHealthCheckFail(cluster, address);
  }

  setSecret(secret: SecretData): void {
    this.#secrets.set(secret);
    this.#supervision.onSecret();
  }

  onRuntimeChange(): void {
    this.#supervision.onRuntimeChange();
  }

  /** Resolves when every cluster has had its first hosts, each checked once, or a first failure to find any. */
  whenWarm(): Promise<void> {
    return new Promise((resolve) => this.#supervision.whenAllWarm(resolve));
  }

  isWarming(name: string): boolean {
    return this.#supervision.get(name)?.isWarm() === false;
  }

  /** For /clusters: the workers' counters summed, health as it is now. */
  async status(): Promise<ClusterStatus[]> {
    const reports = new ReportIndex(await this.#parts.supervisor.query('hosts'));
    return [...this.#supervision.clusters()].map((cluster) => ({
      config: cluster.config,
      addedViaApi: cluster.addedViaApi,
      outlier: cluster.outlierStatus(),
      hosts: cluster.hostSummaries(reports),
    }));
  }

  /** For the load reporter; null = all clusters. Clusters that are warming are none yet. */
  async loadSample(names: ReadonlySet<string> | null): Promise<ClusterSample[]> {
    const index = new LoadIndex(await this.#parts.supervisor.query('load'));
    return [...this.#supervision.clusters()]
      .filter((cluster) => cluster.isWarm() && (names?.has(cluster.config.name) ?? true))
      .map((cluster) => cluster.loadSample(index));
  }

  /** For /outliers: clusters that have outlier detection, by name. */
  outliers(): ReadonlyMap<string, OutlierStatus> {
    const all = new Map<string, OutlierStatus>();
    for (const cluster of this.#supervision.clusters()) {
      const status = cluster.outlierStatus();
      if (status !== null) all.set(cluster.config.name, status);
    }
    return all;
  }

  /** For /breakers. `nowMs`: Clock.machineMs. */
  breakers(nowMs: number): NamedBreaker[] {
    return [...this.#supervision.clusters()].flatMap((cluster) => cluster.breakers(nowMs));
  }

  close(): void {
    this.#supervision.close();
    this.#dnsCaches.close();
  }

  #resolverFor(config: DnsResolverConfig): NameResolver {
    const key = JSON.stringify(config);
    let resolver = this.#resolvers.get(key);
    if (resolver === undefined) {
      resolver = systemNameResolver(config);
      this.#resolvers.set(key, resolver);
    }
    return resolver;
  }
}
