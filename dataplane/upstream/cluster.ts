// One cluster in one worker: hosts, balancer, ceilings, pools. Lives as long as its ClusterConfig; a changed
// config makes a new one, and this one's pools drain.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type {
  Cluster,
  Host,
  HttpPool,
  LoadBalancerContext,
  ResourceManager,
  ResourcePriority,
  TcpPool,
} from '../api/cluster.ts';
import type { ClusterConfig, PlacedAssignment } from '../api/config/cluster.ts';
import type { CollectsMore, StatScope, StatSink } from '../api/stats.ts';
import { Http1CodecStats } from '../http/h1/codec-stats.ts';
import { type ConnectorTls, connect } from '../network/connector.ts';
import { Balancer } from './balancer.ts';
import { ClusterStats } from './cluster-stats.ts';
import { UpstreamHost } from './host.ts';
import type { OutlierThresholdEvent } from './outlier/outlier-event.ts';
import { noOutlierDetection, SharedOutlierMonitor } from './outlier/outlier-monitor.ts';
import { H1Pool, type PoolParts } from './pool/h1-pool.ts';
import { TcpHostPool } from './pool/tcp-pool.ts';
import { SharedResourceManager } from './resource-manager.ts';
import { ClusterCell, type SharedChunks, type SlotRef, type SlotView } from './shared-state.ts';

/** What clusters need of their worker. */
export interface ClusterParts {
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly random: Random;
  readonly chunks: SharedChunks;
  nextConnectionId(): number;
  reportOutlier(event: OutlierThresholdEvent): void;
  /** TLS towards the hosts, null = plaintext. Also registers its stats. */
  createTls(config: ClusterConfig): ClusterTls | null;
}

/** tls/upstream-tls as the cluster sees it. */
export interface ClusterTls extends ConnectorTls {
  close(): void;
}

/** Pools of one host, made at first use; index = priority. */
interface HostPools {
  readonly http: (H1Pool | null)[];
  readonly tcp: (TcpHostPool | null)[];
}

export class UpstreamCluster implements Cluster, CollectsMore {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly codecStats: Http1CodecStats;
  readonly #parts: ClusterParts;
  readonly #slot: SlotView;
  readonly #resources: readonly [SharedResourceManager, SharedResourceManager];
  readonly #balancer: Balancer;
  readonly #hosts = new Map<string, UpstreamHost>();
  readonly #pools = new Map<Host, HostPools>();
  readonly #draining = new Set<H1Pool>();
  readonly #tls: ClusterTls | null;
  readonly #poolParts: PoolParts;
  #healthEpoch: number;

  /** `former`: the cluster of that name that this one replaces; counters go on where they were. */
  constructor(
    config: ClusterConfig,
    slot: SlotRef,
    parts: ClusterParts,
    former: UpstreamCluster | null,
  ) {
    this.config = config;
    this.stats = former?.stats ?? new ClusterStats();
    this.codecStats = former?.codecStats ?? new Http1CodecStats();
    this.#parts = parts;
    this.#slot = parts.chunks.view(slot);
    this.#resources = [
      new SharedResourceManager(this.#slot, 0, config.circuitBreakers[0]),
      new SharedResourceManager(this.#slot, 1, config.circuitBreakers[1]),
    ];
    this.#balancer = new Balancer(config, this.stats, parts.random);
    this.#tls = parts.createTls(config);
    this.#healthEpoch = this.#readEpoch();
    this.#poolParts = {
      config,
      stats: this.stats,
      clock: parts.clock,
      timers: parts.timers,
      clientOptions: {
        enableTrailers: false,
        properCaseHeaderKeys: config.http.headerCase === 'proper',
        maxResponseHeadersKb: config.http.maxResponseHeadersKb,
        maxHeadersCount: config.http.maxHeadersCount,
        stats: this.codecStats,
      },
      connect: (host) =>
        connect({
          id: parts.nextConnectionId(),
          timers: parts.timers,
          address: host.address,
          tls: this.#tls,
          connectTimeoutMs: config.connectTimeoutMs,
          localIp: config.bindAddress,
          keepaliveS: config.tcpKeepalive?.timeS ?? null,
          bufferLimitBytes: config.perConnectionBufferLimitBytes,
          traffic: this.stats,
        }),
    };
  }

  resources(priority: ResourcePriority): ResourceManager {
    return this.#resources[priority];
  }

  hosts(): IterableIterator<UpstreamHost> {
    return this.#hosts.values();
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const epoch = this.#readEpoch();
    if (epoch !== this.#healthEpoch) {
      this.#healthEpoch = epoch;
      this.#balancer.invalidate();
    }
    const host = this.#balancer.choose(context);
    if (host === null) this.stats.upstreamCxNoneHealthy++;
    return host;
  }

  httpPool(host: Host, priority: ResourcePriority): HttpPool {
    const pools = this.#poolsOf(host);
    let pool = pools.http[priority] ?? null;
    if (pool === null) {
      pool = new H1Pool(this.#own(host), this.#poolParts, this.#resources[priority]);
      pools.http[priority] = pool;
    }
    return pool;
  }

  tcpPool(host: Host, priority: ResourcePriority): TcpPool {
    const pools = this.#poolsOf(host);
    let pool = pools.tcp[priority] ?? null;
    if (pool === null) {
      pool = new TcpHostPool(this.#own(host), this.#poolParts, this.#resources[priority]);
      pools.tcp[priority] = pool;
    }
    return pool;
  }

  /** upstream.maintenance_mode.<cluster> is a runtime key that config/ does not support yet. */
  maintenanceMode(): boolean {
    return false;
  }

  /** A new host set: hosts that stay keep object, counters and connections. */
  applyAssignment(assignment: PlacedAssignment): void {
    const gone = new Map(this.#hosts);
    const hosts: UpstreamHost[] = [];
    for (const placed of assignment.hosts) {
      const key = `${placed.address}:${placed.port}`;
      gone.delete(key);
      let host = this.#hosts.get(key);
      if (host === undefined) {
        host = this.#createHost(placed);
        this.#hosts.set(key, host);
      } else host.update(placed);
      hosts.push(host);
    }
    for (const [key, host] of gone) {
      this.#hosts.delete(key);
      this.#retire(host);
    }
    this.#balancer.setHosts(hosts, assignment.overprovisioningFactor);
  }

  /** The cluster is removed or replaced. */
  drain(): void {
    for (const host of this.#hosts.values()) this.#retire(host);
    this.#tls?.close();
  }

  /** The process ends. */
  closeAll(): void {
    for (const pool of this.#draining) pool.closeAll();
    for (const { http, tcp } of this.#pools.values()) {
      for (const pool of http) pool?.closeAll();
      for (const pool of tcp) pool?.close(true);
    }
  }

  /** Gauges `circuit_breakers.<priority>.*_open` (and remaining_* where tracked). */
  collectMore(scope: StatScope, sink: StatSink): void {
    (['default', 'high'] as const).forEach((name, priority) => {
      const { connections, pendingRequests, requests, retries, trackRemaining } =
        this.#resources[priority === 0 ? 0 : 1];
      const prefix = `circuit_breakers.${name}`;
      for (const [stat, remaining, resource] of [
        ['cx_open', 'remaining_cx', connections],
        ['rq_pending_open', 'remaining_pending', pendingRequests],
        ['rq_open', 'remaining_rq', requests],
        ['rq_retry_open', 'remaining_retries', retries],
      ] as const) {
        const isOpen = resource.count() >= resource.max() ? 1 : 0;
        // Counted over all workers already: the largest, not the sum.
        sink.value(scope, `${prefix}.${stat}`, 'gauge-max', isOpen);
        if (!trackRemaining) continue;
        const left = Math.max(0, resource.max() - resource.count());
        sink.value(scope, `${prefix}.${remaining}`, 'gauge-max', left);
      }
    });
  }

  #createHost(placed: PlacedAssignment['hosts'][number]): UpstreamHost {
    const slot = this.#parts.chunks.view(placed);
    const { outlierDetection } = this.config;
    const address = `${placed.address}:${placed.port}`;
    const outlier =
      outlierDetection === null
        ? noOutlierDetection
        : new SharedOutlierMonitor(outlierDetection, slot, (kind) =>
            this.#parts.reportOutlier({ cluster: this.config.name, address, kind }),
          );
    return new UpstreamHost(placed, slot, outlier);
  }

  #retire(host: UpstreamHost): void {
    const pools = this.#pools.get(host);
    if (pools === undefined) return;
    this.#pools.delete(host);
    for (const pool of pools.http) {
      if (pool === null) continue;
      this.#draining.add(pool);
      pool.drain(() => this.#draining.delete(pool));
      if (this.config.commonLb.closeConnectionsOnHostSetChange) pool.closeAll();
    }
    for (const pool of pools.tcp) {
      pool?.close(this.config.commonLb.closeConnectionsOnHostSetChange);
    }
  }

  #poolsOf(host: Host): HostPools {
    let pools = this.#pools.get(host);
    if (pools === undefined) {
      pools = { http: [null, null], tcp: [null, null] };
      this.#pools.set(host, pools);
    }
    return pools;
  }

  /** Hosts only come out of chooseHost, so they are ours. */
  #own(host: Host): UpstreamHost {
    if (!(host instanceof UpstreamHost)) throw new Error('host of another cluster');
    return host;
  }

  #readEpoch(): number {
    return Atomics.load(this.#slot.cells, this.#slot.base + ClusterCell.HealthEpoch);
  }
}
