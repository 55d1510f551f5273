// One cluster in one worker: hosts, balancer, ceilings, pools. Lives as long as its ClusterConfig: a changed
// config makes a new one that takes over the counters, and this one's pools drain. Router and tcp_proxy use
// it through api/cluster.ts; cluster-manager.ts makes and ends it.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type {
  Cluster,
  HttpPool,
  ResourceManager,
  ResourcePriority,
  TcpPool,
} from '../api/cluster.ts';
import type {
  AssignmentPolicy,
  ClusterConfig,
  Locality,
  PlacedAssignment,
  PlacedHost,
} from '../api/config/cluster.ts';
import type { DnsCacheData } from '../api/config/dns.ts';
import { type Connection, formatAddress, type ProxyProtocolInfo } from '../api/connection.ts';
import type { Host } from '../api/host.ts';
import type { LoadBalancerContext } from '../api/load-balancing.ts';
import type { RequestHasher } from '../api/request-hasher.ts';
import type { Protocol } from '../api/stream-info.ts';
import { Http1CodecStats } from '../http/h1/codec-stats.ts';
import { Http2ClientConnection } from '../http/h2/client-connection.ts';
import { Http2CodecStats } from '../http/h2/codec-stats.ts';
import { compileHashPolicy } from '../matcher/hash-policy.ts';
import { createResponsePredicate, type ResponsePredicate } from '../matcher/response-predicate.ts';
import { RuntimeValue } from '../matcher/runtime-value.ts';
import { proxyHeaderKey, proxyInfoOf } from '../network/proxy-header.ts';
import type { AggregatedCluster } from './aggregate/aggregate-hosts.ts';
import { ClusterHosts, type ClusterHostsOwner } from './cluster-hosts.ts';
import { CircuitBreakerStats, ClusterStats } from './cluster-stats.ts';
import { type ClusterTls, serverNameOf } from './cluster-tls.ts';
import { http1ClientOptions, http2ClientOptions } from './codec-options.ts';
import { createHostProvider, ownHost } from './create-host-provider.ts';
import type { WorkerDnsCache } from './dynamic-forward-proxy/worker-dns-caches.ts';
import { ErrorRatioBreaker } from './error-ratio-breaker.ts';
import { UpstreamHost } from './host.ts';
import { connectToHost } from './host-connection.ts';
import { type HostProvider, OwnHostStats, type OwnHosts } from './host-provider.ts';
import { Balancer } from './lb/balancer.ts';
import { HashTableStats, isHashing } from './lb/hashing/table-stats.ts';
import type { PriorityHosts, PrioritySet } from './lb/host-set.ts';
import type { LocalCluster } from './lb/load-balancer.ts';
import { createMeter } from './lb/measured/create-meter.ts';
import { idleMonitor, SharedOutlierMonitor } from './outlier/monitor.ts';
import type { OutlierReport } from './outlier/outlier-event.ts';
import type { PoolConnection, PoolContext, PoolHost, PoolProtocol } from './pool/pool-context.ts';
import { PriorityResources } from './resource-manager.ts';
import { RetryRate } from './retry-rate.ts';
import {
  breakerWords,
  ClusterWord,
  changeUsers,
  privateSlot,
  readWord,
  type SharedChunks,
  type SlotAddress,
  type SlotRef,
  slotKey,
  writeWord,
} from './shared-state.ts';
import { finish, type Steps } from './steps.ts';

/** What clusters need of their worker. */
export interface ClusterParts {
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly random: Random;
  readonly chunks: SharedChunks;
  /** Unique in the process. */
  nextConnectionId(): number;
  /** A host stands out: to be posted to main. */
  reportOutlier(report: OutlierReport): void;
  /** A host (`ip:port`) asked for no more traffic: to be posted to main. */
  reportImmediateHealthCheckFail(cluster: string, address: string): void;
  /** Of bootstrap's node; null = it does not say. */
  readonly localLocality: Locality | null;
  /** cluster_manager.local_cluster_name, '' = none. */
  readonly localClusterName: string;
  /** Of a dynamic forward proxy. */
  dnsCacheOf(data: DnsCacheData): WorkerDnsCache;
  /** TLS towards the hosts, null = plaintext (createClusterTls of cluster-tls.ts). */
  createTls(config: ClusterConfig): ClusterTls | null;
}

/** Envoy's. */
const MAX_PRECONNECTS_PER_REQUEST = 3;
const PPM = 1_000_000;

/** See the file head. */
export class UpstreamCluster implements Cluster, AggregatedCluster, OwnHosts, ClusterHostsOwner {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly breaker: ErrorRatioBreaker | null;
  readonly codecStats: Http1CodecStats;
  readonly http2Stats: Http2CodecStats;
  readonly breakerStats: CircuitBreakerStats;
  readonly hashPolicy: RequestHasher | null;
  /** Null = its policy has no hash table. */
  readonly hashTableStats: HashTableStats | null;
  readonly #parts: ClusterParts;
  readonly #slot: SlotRef;
  readonly #resources: readonly [PriorityResources, PriorityResources];
  /** Percent; null = never in maintenance. */
  readonly #maintenance: RuntimeValue | null;
  readonly #balancer: Balancer;
  /** Null = the balancer chooses. */
  readonly #provider: HostProvider | null;
  /** Of hosts that only this worker knows; null = there are none. */
  readonly ownHostStats: OwnHostStats | null;
  readonly #tls: ClusterTls | null;
  /** What outlier detection takes for an error, null = a 5xx. */
  readonly #errors: ResponsePredicate | null;
  readonly #context: PoolContext;
  readonly #hosts: ClusterHosts;
  #isDraining = false;
  /** Null = it has had no hosts yet. */
  #assignment: AssignmentPolicy | null = null;
  #healthEpoch: number;
  #membership = { total: 0, usable: 0 };
  /** The hostsVersion() that #membership is of. */
  #membershipVersion = -1;
  #hostsVersion = 0;
  /** Of requests, those to be refused at the moment. */
  #dropPpm = 0;

  /**
   * `former`: the cluster of that name that this one replaces; counters go on where they were. `localCluster`: that of
   * parts.localClusterName, which may come later. `clusterOf`: the others of this worker, for an aggregate.
   */
  constructor(
    config: ClusterConfig,
    slot: SlotAddress,
    parts: ClusterParts,
    former: UpstreamCluster | null,
    localCluster: LocalCluster,
    clusterOf: (name: string) => AggregatedCluster | null,
  ) {
    const keepsStats = former !== null && former.config.statName === config.statName;
    this.config = config;
    this.stats = keepsStats ? former.stats : new ClusterStats(parts.localLocality?.zone);
    this.codecStats = keepsStats ? former.codecStats : new Http1CodecStats();
    this.http2Stats = keepsStats ? former.http2Stats : new Http2CodecStats();
    this.#parts = parts;
    this.#slot = parts.chunks.ref(slot);
    changeUsers(this.#slot, 1);
    const { circuitBreakers } = config;
    this.breaker =
      config.breaker === null
        ? null
        : new ErrorRatioBreaker(breakerWords(this.#slot), config.breaker);
    const rate = config.retryRate === null ? null : new RetryRate(config.retryRate, parts.clock);
    this.#resources = [
      new PriorityResources(this.#slot, 0, circuitBreakers[0], parts.clock, rate),
      new PriorityResources(this.#slot, 1, circuitBreakers[1], parts.clock, rate),
    ];
    this.breakerStats = new CircuitBreakerStats(this.#resources, circuitBreakers);
    this.hashPolicy = compileHashPolicy(config.http.hashPolicy);
    const isLocal = config.name === parts.localClusterName;
    const { maintenancePercent } = config;
    this.#maintenance =
      maintenancePercent === undefined ? null : new RuntimeValue(maintenancePercent);
    const panicThreshold = new RuntimeValue(config.commonLb.healthyPanicThresholdPercent);
    this.#balancer = new Balancer(
      config,
      {
        random: parts.random,
        clock: parts.clock,
        stats: this.stats,
        get panicThresholdPercent() {
          return panicThreshold.number();
        },
        localCluster: isLocal || parts.localClusterName === '' ? null : localCluster,
        rqActive: () => this.#resources[0].requests.count() + this.#resources[1].requests.count(),
      },
      parts.localLocality,
    );
    this.hashTableStats = isHashing(config.loadBalancing)
      ? new HashTableStats(() => {
          this.#heedHealth();
          return this.#balancer.current();
        })
      : null;
    this.#tls = parts.createTls(config);
    const { errorMatcher } = config.http;
    this.#errors = errorMatcher === null ? null : createResponsePredicate(errorMatcher);
    this.#hosts = new ClusterHosts(this, parts.timers);
    this.#healthEpoch = this.#readEpoch();
    this.#context = this.#makeContext();
    const { provided } = config;
    const hasOwnHosts = provided !== null && provided.kind !== 'AGGREGATE';
    this.ownHostStats = hasOwnHosts ? new OwnHostStats() : null;
    this.#provider =
      provided === null
        ? null
        : createHostProvider(provided, {
            random: parts.random,
            timers: parts.timers,
            stats: this.stats,
            get panicThresholdPercent() {
              return panicThreshold.number();
            },
            defaultPort: config.tls === null ? 80 : 443,
            hosts: this,
            clusterOf,
            dnsCacheOf: (data) => parts.dnsCacheOf(data),
          });
  }

  resources(priority: ResourcePriority): ResourceManager {
    return this.#resources[priority];
  }

  hosts(): Iterable<UpstreamHost> {
    return this.#provider === null ? this.#hosts.current() : this.#provider.hosts();
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const host = this.pick(context);
    if (host === null) this.stats.upstreamCxNoneHealthy++;
    return host;
  }

  pick(context: LoadBalancerContext): UpstreamHost | null {
    if (this.#provider !== null) return this.#provider.choose(context);
    this.#heedHealth();
    return this.#balancer.choose(context);
  }

  /** The hosts and their health now. */
  prioritySet(): PrioritySet {
    this.#heedHealth();
    return this.#balancer.prioritySet();
  }

  create(ip: string, port: number, hostname: string, identity: string | null): UpstreamHost {
    const stats = this.ownHostStats!; // who creates has some
    stats.total++;
    stats.membershipChange++;
    const placed = ownHost(ip, port, hostname, identity);
    return new UpstreamHost(placed, privateSlot(), idleMonitor, null, this.#context);
  }

  retire(host: UpstreamHost): void {
    const stats = this.ownHostStats!; // as above
    stats.total--;
    stats.membershipChange++;
    this.#hosts.retire(host);
  }

  /** Another number whenever firstPriority() may have changed. */
  hostsVersion(): number {
    this.#heedHealth();
    return this.#hostsVersion;
  }

  /** The hosts of priority 0 and their health now. */
  firstPriority(): PriorityHosts {
    this.#heedHealth();
    return this.#balancer.firstPriority();
  }

  #heedHealth(): void {
    const epoch = this.#readEpoch();
    if (epoch === this.#healthEpoch) return;
    this.#healthEpoch = epoch;
    this.#hostsVersion++;
    this.#balancer.invalidate();
  }

  membership(): { readonly total: number; readonly usable: number } {
    if (this.ownHostStats !== null) {
      // Nobody checks or ejects them.
      const { total } = this.ownHostStats;
      return { total, usable: total };
    }
    const version = this.hostsVersion();
    if (version !== this.#membershipVersion) {
      this.#membershipVersion = version;
      let usable = 0;
      for (const host of this.#hosts.current()) if (host.health() !== 'unhealthy') usable++;
      this.#membership = { total: this.#hosts.count(), usable };
    }
    return this.#membership;
  }

  httpPool(
    host: Host,
    priority: ResourcePriority,
    authority = '',
    downstream: Connection | null = null,
    downstreamProtocol: Protocol = '',
  ): HttpPool | null {
    // Hosts only come out of chooseHost; those of an aggregate are another cluster's.
    const { pools, cluster } = host as UpstreamHost;
    if (cluster !== this) {
      return cluster.httpPool(host, priority, authority, downstream, downstreamProtocol);
    }
    const protocol = this.#protocolFor(downstreamProtocol);
    const usesAutoSni = this.#tls !== null && this.config.http.autoSni;
    const serverName = usesAutoSni ? serverNameOf(authority) : '';
    if (this.config.preconnect.predictiveRatio > 1) this.#preconnect(priority, protocol);
    if (this.config.proxyProtocol !== null && downstream !== null) {
      const info = proxyInfoOf(downstream);
      const key = this.#downstreamKey(
        downstream,
        proxyHeaderKey(info, this.config.proxyTlvAsPoolKey),
      );
      return pools.httpProxied(priority, protocol, serverName, info, key);
    }
    if (this.config.connectionPoolPerDownstreamConnection && downstream !== null) {
      const key = this.#downstreamKey(downstream, '');
      return pools.httpProxied(priority, protocol, serverName, null, key);
    }
    return serverName === ''
      ? pools.http(priority, protocol)
      : pools.httpNamed(priority, protocol, serverName);
  }

  /** Envoy: ClusterInfoImpl::upstreamHttpProtocol. */
  #protocolFor(downstream: Protocol): PoolProtocol {
    const { protocol } = this.config.http;
    switch (protocol) {
      case 'downstream':
      case 'downstream-or-http2':
        if (downstream === '') return protocol === 'downstream' ? 'HTTP/1.1' : 'HTTP/2';
        return downstream === 'HTTP/2' ? 'HTTP/2' : 'HTTP/1.1';
      default:
        return protocol;
    }
  }

  #downstreamKey({ id }: Connection, key: string): string {
    return this.config.connectionPoolPerDownstreamConnection ? `${key} ${id}` : key;
  }

  /** predictive_preconnect_ratio; Envoy: ClusterManagerImpl::maybePreconnect. */
  #preconnect(priority: ResourcePriority, protocol: PoolProtocol): void {
    const { stats } = this;
    const ratio = this.config.preconnect.predictiveRatio;
    for (let i = 0; i < MAX_PRECONNECTS_PER_REQUEST; i++) {
      const wanted = stats.upstreamRqPendingActive + stats.upstreamRqActive + 1;
      if (wanted * ratio <= stats.upstreamCxActive) return;
      const host = this.#balancer.peek();
      const pool = host === null ? null : host.pools.http(priority, protocol);
      if (pool === null || !pool.preconnect(ratio)) return;
    }
  }

  onImmediateHealthCheckFail(host: Host): void {
    // Hosts only come out of chooseHost. Once is enough: main is not to hear of each of its responses.
    if ((host as UpstreamHost).isExcluded()) return;
    this.#parts.reportImmediateHealthCheckFail(this.config.name, (host as UpstreamHost).identity);
  }

  /** From main: the host was ejected, or failed its checks. Unknown ones are ignored (it left the set meanwhile). */
  onHostHealthFailure(slot: SlotAddress): void {
    const host = this.#hosts.at(slot);
    host?.onHealthFailure(this.config.closeConnectionsOnHostHealthFailure);
  }

  tcpPool(host: Host, priority: ResourcePriority, downstream: Connection | null = null): TcpPool {
    const { pools, cluster } = host as UpstreamHost; // as above
    if (cluster !== this) return cluster.tcpPool(host, priority, downstream);
    if (this.config.proxyProtocol === null || downstream === null) return pools.tcp(priority);
    const info = proxyInfoOf(downstream);
    return pools.tcpProxied(priority, info, proxyHeaderKey(info, this.config.proxyTlvAsPoolKey));
  }

  maintenanceMode(): boolean {
    const share = this.#maintenance;
    return share !== null && this.#parts.random() * 100 < share.number();
  }

  dropOverload(): ReturnType<Cluster['dropOverload']> {
    const ppm = this.#dropPpm;
    if (ppm === 0) return null;
    if (ppm === PPM) return 'unconditional_drop_overload';
    return this.#parts.random() * PPM < ppm ? 'drop_overload' : null;
  }

  /** These will be in the next host set. */
  prepareHosts(hosts: readonly PlacedHost[]): Steps {
    return this.#hosts.prepare(hosts);
  }

  /**
   * What was prepared holds, and the hosts of these slotKeys are gone; those that stay keep object, counters and
   * connections. Requests are given hosts of the former set until nearly the last step.
   */
  *changeHosts(policy: AssignmentPolicy, removed: readonly number[]): Steps {
    const hosts = this.#hosts;
    const isChanged = yield* hosts.change(removed);
    yield* this.#balancer.change([...hosts.current()], policy);
    this.#assignment = policy;
    this.#hostsVersion++;
    this.#dropPpm = policy.dropOverload?.dropPpm ?? 0;
    hosts.retireSome();
    if (isChanged && this.config.commonLb.closeConnectionsOnHostSetChange) {
      for (const host of hosts.current()) host.drainConnections();
    }
    yield* this.#balancer.forgetOthers();
  }

  /** The full host set, at once. */
  applyAssignment({ hosts, ...policy }: PlacedAssignment): void {
    const left = new Set(Array.from(this.#hosts.current(), ({ placed }) => slotKey(placed)));
    for (const host of hosts) left.delete(slotKey(host));
    finish(this.prepareHosts(hosts));
    finish(this.changeHosts(policy, [...left]));
  }

  /** Takes over from one that main has not sent the hosts of again. Nothing of `former` is under way. */
  takeHosts(former: UpstreamCluster): void {
    const policy = former.#assignment;
    if (policy !== null) {
      const hosts = Array.from(former.#hosts.current(), ({ placed }) => placed);
      this.applyAssignment({ ...policy, hosts });
    }
    finish(this.prepareHosts(former.#hosts.announced()));
  }

  /** The cluster was removed or replaced: serves what is under way, then lets go of its slots. */
  drain(): void {
    // Requests under way may still retry on these hosts: they stay in the balancer.
    this.#hosts.retireAll();
    this.#provider?.close();
    // Only now: idle hosts have said already that they are gone, while others had not begun.
    this.#isDraining = true;
    this.#endIfDrained();
  }

  /** The worker ends: nothing is waited for. */
  closeAll(): void {
    if (this.#provider !== null) for (const host of this.#provider.hosts()) host.closeAll();
    this.#hosts.closeAll();
  }

  onHostRetired(): void {
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (!this.#isDraining || !this.#hosts.isQuiet()) return;
    this.#isDraining = false;
    this.#balancer.close();
    changeUsers(this.#slot, -1);
    this.#tls?.close();
  }

  createHost(placed: PlacedHost): UpstreamHost {
    const slot = this.#parts.chunks.ref(placed);
    const { outlierDetection, name, loadBalancing } = this.config;
    const meter = createMeter(loadBalancing, slot, this.#parts.clock);
    if (outlierDetection === null)
      return new UpstreamHost(placed, slot, idleMonitor, meter, this.#context);
    const address = placed.identity ?? formatAddress({ ip: placed.address, port: placed.port });
    const monitor = new SharedOutlierMonitor(outlierDetection, this.#errors, slot, {
      onThreshold: (kind) => this.#parts.reportOutlier({ cluster: name, address, kind }),
      onDegraded: () => this.#parts.reportOutlier({ cluster: name, address, kind: 'degraded' }),
    });
    return new UpstreamHost(placed, slot, monitor, meter, this.#context);
  }

  #makeContext(): PoolContext {
    const { config, stats } = this;
    const { clock, timers } = this.#parts;
    const http2Options = http2ClientOptions(config, this.http2Stats, this.#parts);
    return {
      cluster: this,
      config,
      stats,
      clock,
      timers,
      resources: this.#resources,
      codecOptions: http1ClientOptions(config, this.codecStats),
      createHttp2Codec: (connection, callbacks) =>
        new Http2ClientConnection(connection, http2Options, callbacks),
      connect: (host, serverName, downstream, alpnProtocols) =>
        this.#connect(host, serverName, downstream, alpnProtocols),
    };
  }

  #connect(
    host: PoolHost,
    serverName: string,
    downstream: ProxyProtocolInfo | null,
    alpnProtocols: readonly string[],
  ): PoolConnection {
    const { config, stats } = this;
    if (readWord(this.#slot, ClusterWord.HasHadTraffic) === 0) {
      writeWord(this.#slot, ClusterWord.HasHadTraffic, 1);
    }
    return connectToHost({
      id: this.#parts.nextConnectionId(),
      config,
      timers: this.#parts.timers,
      tls: this.#tls,
      address: host.address,
      hostname: host.hostname,
      serverName,
      downstream,
      alpnProtocols,
      connectTimeoutMs: config.connectTimeoutMs,
      traffic: stats,
    });
  }

  #readEpoch(): number {
    return readWord(this.#slot, ClusterWord.HealthEpoch);
  }
}
