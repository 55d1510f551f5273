// The pools of one host in one worker, made at first use, and their end.

import type { HttpPoolCallbacks, ResourcePriority, TcpPoolCallbacks } from '../../api/cluster.ts';
import type { ProxyProtocolInfo } from '../../api/connection.ts';
import type { HttpClient } from './http-client.ts';
import { HttpConnectionPool } from './http-pool.ts';
import type { ConnectionPool } from './pool.ts';
import type { PoolContext, PoolHost, PoolOwner, PoolProtocol } from './pool-context.ts';
import { type TcpClient, TcpConnectionPool } from './tcp-pool.ts';

/** auto_sni names come from clients' Host headers; more than this and the oldest pool is drained. */
const MAX_NAMED_POOLS = 64;
/** The same where each downstream connection has a pool of its own. */
const MAX_PROXY_POOLS = 1024;

type AnyPool =
  | ConnectionPool<HttpPoolCallbacks, HttpClient>
  | ConnectionPool<TcpPoolCallbacks, TcpClient>;

/** Index of a priority's pool. */
type Pools<Pool> = [Pool | null, Pool | null];

export class HostPools implements PoolOwner<AnyPool> {
  readonly #context: PoolContext;
  readonly #host: PoolHost;
  /** All that are neither named nor proxied: HTTP/1.1 and auto, HTTP/2. A cluster uses both when clients decide. */
  readonly #http: Pools<HttpConnectionPool> = [null, null];
  readonly #http2: Pools<HttpConnectionPool> = [null, null];
  readonly #tcp: Pools<TcpConnectionPool> = [null, null];
  /** By protocol, priority and SNI; null unless auto_sni is used. */
  #named: Map<string, HttpConnectionPool> | null = null;
  /** By protocol, priority, SNI and PROXY header or downstream connection; null unless a cluster wants such pools. */
  #proxied: Map<string, HttpConnectionPool | TcpConnectionPool> | null = null;
  /** Drained and not yet empty, and no longer reachable above. */
  readonly #leaving = new Set<HttpConnectionPool | TcpConnectionPool>();
  #isDraining = false;
  #onEmpty: (() => void) | null = null;

  constructor(context: PoolContext, host: PoolHost) {
    this.#context = context;
    this.#host = host;
  }

  /** This and the other two that give HTTP pools: null = max_connection_pools is reached. */
  http(priority: ResourcePriority, protocol: PoolProtocol): HttpConnectionPool | null {
    const pools = protocol === 'HTTP/2' ? this.#http2 : this.#http;
    const pool = pools[priority];
    if (pool?.isCounted === true) return pool;
    if (!this.#mayCountOne(priority)) return null;
    return counted(pool ?? this.#makeHttp(pools, priority, protocol));
  }

  /** Takes one below max_connection_pools, if need be by closing one that nobody uses now (Envoy: freeOnePool). */
  #mayCountOne(priority: ResourcePriority): boolean {
    const resources = this.#context.resources[priority];
    const { connectionPools } = resources;
    if (connectionPools.tryAcquire()) return true;
    for (const pool of this.#all()) {
      if (!pool.isCounted || !pool.hasResources(resources) || !pool.isIdle()) continue;
      pool.closeAll();
      // One without connections has nothing that could end.
      this.#uncount(pool);
      if (connectionPools.tryAcquire()) return true;
    }
    this.#context.stats.upstreamCxPoolOverflow++;
    return false;
  }

  /** `serverName`: SNI of the pool's TLS connections. */
  httpNamed(
    priority: ResourcePriority,
    protocol: PoolProtocol,
    serverName: string,
  ): HttpConnectionPool | null {
    const key = `${protocol} ${priority} ${serverName}`;
    this.#named ??= new Map();
    const named = this.#named;
    let pool = named.get(key);
    if (pool?.isCounted === true) return pool;
    if (!this.#mayCountOne(priority)) return null;
    if (pool !== undefined) return counted(pool);
    if (named.size >= MAX_NAMED_POOLS) this.#dropOldest<HttpConnectionPool>(named);
    pool = new HttpConnectionPool(this.#context, this.#host, priority, this, protocol, serverName);
    if (this.#isDraining) pool.drain();
    pool.name = key;
    named.set(key, pool);
    return counted(pool);
  }

  /**
   * Connections whose PROXY header names `downstream`, null = without a header; one pool per `key`, which says what
   * downstream connections share.
   */
  httpProxied(
    priority: ResourcePriority,
    protocol: PoolProtocol,
    serverName: string,
    downstream: ProxyProtocolInfo | null,
    key: string,
  ): HttpConnectionPool | null {
    const name = `${protocol} ${priority} ${serverName} ${key}`;
    const known = this.#proxied?.get(name);
    const isKnown = known instanceof HttpConnectionPool;
    if (isKnown && known.isCounted) return known;
    if (!this.#mayCountOne(priority)) return null;
    if (isKnown) return counted(known);
    const pool = new HttpConnectionPool(
      this.#context,
      this.#host,
      priority,
      this,
      protocol,
      serverName,
      downstream,
    );
    this.#addProxied(name, pool);
    return counted(pool);
  }

  /** httpProxied for tcp_proxy. */
  tcpProxied(
    priority: ResourcePriority,
    downstream: ProxyProtocolInfo,
    key: string,
  ): TcpConnectionPool {
    const name = `tcp ${priority} ${key}`;
    const known = this.#proxied?.get(name);
    if (known instanceof TcpConnectionPool) return known;
    const pool = new TcpConnectionPool(this.#context, this.#host, priority, this, '', downstream);
    this.#addProxied(name, pool);
    return pool;
  }

  #addProxied(name: string, pool: HttpConnectionPool | TcpConnectionPool): void {
    this.#proxied ??= new Map();
    if (this.#proxied.size >= MAX_PROXY_POOLS) this.#dropOldest(this.#proxied);
    if (this.#isDraining) pool.drain();
    pool.name = name;
    this.#proxied.set(name, pool);
  }

  tcp(priority: ResourcePriority): TcpConnectionPool {
    let pool = this.#tcp[priority];
    if (pool === null) {
      pool = new TcpConnectionPool(this.#context, this.#host, priority, this, '', null);
      if (this.#isDraining) pool.drain();
      this.#tcp[priority] = pool;
    }
    return pool;
  }

  /** The host or its cluster is gone: `onEmpty` when the last connection is, maybe at once. */
  drain(onEmpty: () => void): void {
    this.#isDraining = true;
    this.#onEmpty = onEmpty;
    for (const pool of this.#all()) pool.drain();
    this.#tellIfEmpty();
  }

  /** close_connections_on_host_set_change. */
  drainConnections(): void {
    for (const pool of this.#all()) pool.drainConnections();
  }

  /** The host was found unhealthy; `closesTcp`: close_connections_on_host_health_failure. */
  onHealthFailure(closesTcp: boolean): void {
    for (const pool of this.#all()) {
      if (closesTcp && pool instanceof TcpConnectionPool) pool.closeAll();
      else pool.drainConnections();
    }
  }

  /** The worker ends. */
  closeAll(): void {
    for (const pool of this.#all()) pool.closeAll();
  }

  /** Pools with a name go when they are empty: names come from clients. */
  onPoolEmpty(pool: AnyPool): void {
    // The sets hold nothing but these pools.
    const mine = pool as HttpConnectionPool | TcpConnectionPool;
    this.#uncount(mine);
    this.#leaving.delete(mine);
    if (this.#named?.get(pool.name) === pool) this.#named.delete(pool.name);
    if (this.#proxied?.get(pool.name) === pool) this.#proxied.delete(pool.name);
    this.#tellIfEmpty();
  }

  #uncount(pool: HttpConnectionPool | TcpConnectionPool): void {
    if (!pool.isCounted) return;
    pool.isCounted = false;
    for (const resources of this.#context.resources) {
      if (pool.hasResources(resources)) resources.connectionPools.release();
    }
  }

  #tellIfEmpty(): void {
    if (!this.#isDraining || this.#onEmpty === null) return;
    for (const pool of this.#all()) if (!pool.isEmpty()) return;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = null;
    onEmpty();
  }

  #makeHttp(
    pools: Pools<HttpConnectionPool>,
    priority: ResourcePriority,
    protocol: PoolProtocol,
  ): HttpConnectionPool {
    const pool = new HttpConnectionPool(this.#context, this.#host, priority, this, protocol);
    if (this.#isDraining) pool.drain();
    pools[priority] = pool;
    return pool;
  }

  #dropOldest<Pool extends HttpConnectionPool | TcpConnectionPool>(named: Map<string, Pool>): void {
    const [oldest] = named;
    if (oldest === undefined) return;
    const [key, pool] = oldest;
    named.delete(key);
    this.#leaving.add(pool);
    pool.drain();
    if (pool.isEmpty()) this.#leaving.delete(pool);
  }

  #all(): (HttpConnectionPool | TcpConnectionPool)[] {
    const pools = [
      ...this.#http,
      ...this.#http2,
      ...this.#tcp,
      ...(this.#named?.values() ?? []),
      ...(this.#proxied?.values() ?? []),
      ...this.#leaving,
    ];
    return pools.filter((pool) => pool !== null);
  }
}

/** Its place below max_connection_pools was taken before. */
function counted(pool: HttpConnectionPool): HttpConnectionPool {
  pool.isCounted = true;
  return pool;
}
