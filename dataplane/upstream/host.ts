// One endpoint in one worker. Identity is its slot: the object, its counters and its pools stay when an update only
// changes weight, health, priority or metadata, or the address of what is known by a name.

import type { Cluster } from '../api/cluster.ts';
import type { HealthStatus, PlacedHost } from '../api/config/cluster.ts';
import { formatAddress, type SocketAddress } from '../api/connection.ts';
import type { Host, HostMeter, OutlierMonitor } from '../api/host.ts';
import { ErrorRatioBreaker } from './error-ratio-breaker.ts';
import { SharedHostStats } from './host-stats.ts';
import { LoadMetrics } from './load-metrics.ts';
import { HostPools } from './pool/host-pools.ts';
import type { PoolContext } from './pool/pool-context.ts';
import {
  breakerWords,
  changeUsers,
  DEGRADED_FLAGS,
  EXCLUDED_FLAGS,
  HostWord,
  hasHealthFlag,
  readHealthySince,
  readWord,
  type SlotRef,
  UNHEALTHY_FLAGS,
} from './shared-state.ts';

/** Made by its cluster; tells the shared slot that it is used until `retire` has ended. */
export class UpstreamHost implements Host {
  readonly cluster: Cluster;
  /** Where new connections go. */
  address: SocketAddress;
  addressText: string;
  readonly stats: SharedHostStats;
  readonly outlier: OutlierMonitor;
  readonly meter: HostMeter | null;
  readonly loadMetrics: LoadMetrics | null;
  readonly breaker: ErrorRatioBreaker | null;
  hostname: string;
  canary: boolean;
  /** As main placed it last. */
  placed: PlacedHost;
  readonly #slot: SlotRef;
  readonly #context: PoolContext;
  /** Null until a request needs one: of ten thousand hosts most never do. */
  #pools: HostPools | null = null;
  #isRetired = false;

  constructor(
    placed: PlacedHost,
    slot: SlotRef,
    outlier: OutlierMonitor,
    meter: HostMeter | null,
    context: PoolContext,
  ) {
    const { hostBreaker, loadReportMetrics } = context.config;
    this.breaker =
      hostBreaker === null ? null : new ErrorRatioBreaker(breakerWords(slot), hostBreaker);
    this.cluster = context.cluster;
    this.address = { ip: placed.address, port: placed.port };
    this.addressText = formatAddress(this.address);
    this.stats = new SharedHostStats(slot);
    this.outlier = outlier;
    this.meter = meter;
    this.loadMetrics = loadReportMetrics.length === 0 ? null : new LoadMetrics(loadReportMetrics);
    this.hostname = placed.hostname;
    this.canary = isCanary(placed);
    this.placed = placed;
    this.#slot = slot;
    this.#context = context;
    changeUsers(slot, 1);
  }

  get pools(): HostPools {
    if (this.#pools === null) {
      this.#pools = new HostPools(this.#context, this);
      // For a request that chose it before: nobody else will.
      if (this.#isRetired) this.#pools.drain(() => {});
    }
    return this.#pools;
  }

  /** What main knows it by: `ip:port` unless that may change. */
  get identity(): string {
    return this.placed.identity ?? this.addressText;
  }

  /** Only what may change of a host that stays. Connections to a former address go on. */
  update(placed: PlacedHost): void {
    if (placed.address !== this.address.ip) {
      this.address = { ip: placed.address, port: placed.port };
      this.addressText = formatAddress(this.address);
    }
    this.placed = placed;
    this.hostname = placed.hostname;
    this.canary = isCanary(placed);
  }

  get zone(): string {
    return this.placed.locality.zone;
  }

  get priority(): number {
    return this.placed.priority;
  }

  get metadata(): PlacedHost['metadata'] {
    return this.placed.metadata;
  }

  weight(): number {
    return this.placed.weight;
  }

  /** Over all workers. */
  rqActive(): number {
    return this.stats.rqActive();
  }

  /** What discovery says of it, unless a check or outlier detection says worse. */
  health(): PlacedHost['health'] {
    return healthOf(this.placed, this.#slot);
  }

  /** Envoy: Host::healthStatus, which knows more words than health(). */
  healthStatus(): HealthStatus {
    if (hasHealthFlag(this.#slot, UNHEALTHY_FLAGS)) return 'UNHEALTHY';
    const { health, healthStatus } = this.placed;
    if (health !== 'unhealthy' && hasHealthFlag(this.#slot, DEGRADED_FLAGS)) return 'DEGRADED';
    return healthStatus;
  }

  /** Clock.machineMs of when it came or became healthy last; 0 = unknown. Written where there is slow start. */
  healthySinceMs(): number {
    return readHealthySince(this.#slot);
  }

  /** Over all workers that know it. */
  cxActive(): number {
    return readWord(this.#slot, HostWord.CxActive);
  }

  /** It does not count among the hosts of its priority: see EXCLUDED_FLAGS. */
  isExcluded(): boolean {
    return isExcludedHost(this.placed, this.#slot);
  }

  /** It is in no host set any more: drains its pools, then lets go of the slot and calls back. */
  retire(onRetired: (host: UpstreamHost) => void): void {
    this.#isRetired = true;
    const end = (): void => {
      changeUsers(this.#slot, -1);
      onRetired(this);
    };
    if (this.#pools === null) end();
    else this.#pools.drain(end);
  }

  /** It was found unhealthy; see HostPools. */
  onHealthFailure(closesTcp: boolean): void {
    this.#pools?.onHealthFailure(closesTcp);
  }

  /** close_connections_on_host_set_change. */
  drainConnections(): void {
    this.#pools?.drainConnections();
  }

  /** The worker ends. */
  closeAll(): void {
    this.#pools?.closeAll();
  }
}

/** Envoy: Host::coarseHealth. */
export function healthOf({ health }: PlacedHost, slot: SlotRef): PlacedHost['health'] {
  if (health === 'unhealthy' || hasHealthFlag(slot, UNHEALTHY_FLAGS)) return 'unhealthy';
  return hasHealthFlag(slot, DEGRADED_FLAGS) ? 'degraded' : health;
}

/** Envoy: excludeBasedOnHealthFlag; a host that discovery drains is none to wait for. */
export function isExcludedHost({ healthStatus }: PlacedHost, slot: SlotRef): boolean {
  return healthStatus === 'DRAINING' || hasHealthFlag(slot, EXCLUDED_FLAGS);
}

function isCanary(placed: PlacedHost): boolean {
  return placed.metadata?.['envoy.lb']?.['canary'] === true;
}
