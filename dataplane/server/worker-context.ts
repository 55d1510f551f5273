// What the runtime halves of extensions get in a worker: services, factories by canonical name, route
// tables by RDS name. One per worker.

import type { Clock, Random } from '../../common/clock.ts';
import { systemClock, systemRandom } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import { type TimerService, TimerWheel } from '../../common/timer.ts';
import { LogSinks } from '../access-log/sinks.ts';
import type { AccessLogger } from '../api/access-log.ts';
import type { ClusterManager } from '../api/cluster.ts';
import type { RouteConfigData, VirtualHostResource } from '../api/config/route.ts';
import type { ScopeResource } from '../api/config/scoped-routes.ts';
import type {
  AccessLoggerFactory,
  ExtensionData,
  FilterListener,
  HttpFilterContext,
  HttpFilterFactory,
  ListenerFilterFactory,
  LogSink,
  NetworkFilterFactory,
  WorkerContext,
} from '../api/factory.ts';
import type { HttpFilterConfig } from '../api/http-filter.ts';
import type { ListenerFilterConfig } from '../api/listener-filter.ts';
import type { NetworkFilterConfig } from '../api/network-filter.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { RouteTable } from '../api/route.ts';
import type { StatField, StatsStore } from '../api/stats.ts';
import { DynamicHosts } from '../router/dynamic-hosts.ts';
import { ScopeSet } from '../router/scope-set.ts';
import { WorkerOnDemand } from '../router/worker-on-demand.ts';
import { HolderStore } from '../stats/store.ts';
import type { DnsCacheRequest } from '../upstream/dynamic-forward-proxy/cache-messages.ts';
import { WorkerDnsCaches } from '../upstream/dynamic-forward-proxy/worker-dns-caches.ts';
import { serverScope } from './server-stats.ts';
import type { WorkerData } from './worker-channel.ts';

/** The worker halves of all extensions (server/worker-extensions.ts has the list). */
export interface WorkerFactories {
  readonly http: readonly HttpFilterFactory[];
  readonly network: readonly NetworkFilterFactory[];
  readonly listener: readonly ListenerFilterFactory[];
  readonly accessLog: readonly AccessLoggerFactory[];
}

function byName<F extends { readonly name: string }>(factories: readonly F[]): Map<string, F> {
  return new Map(factories.map((factory) => [factory.name, factory]));
}

/** Main compiled the data, so a missing half is a bug in the lists, not in the user's configuration. */
function find<F>(factories: ReadonlyMap<string, F>, extension: string): F {
  const factory = factories.get(extension);
  if (factory === undefined) throw new Error(`no worker half for extension ${extension}`);
  return factory;
}

/** How a route table is made from its data; router/ provides it. */
export type BuildRouteTable = (data: RouteConfigData, context: WorkerContext) => RouteTable;

/** What a worker asks of main for its requests. */
export interface WorkerRequests {
  dns(request: DnsCacheRequest): void;
  onDemand(target: ResourceReference): void;
}

type OnExtensionConfig = (config: ExtensionData | null) => void;

/** Beside main's `server.*`. */
class BugStats {
  static readonly stats: readonly StatField[] = [
    { field: 'failures', name: 'envoy_bug_failures', kind: 'counter' },
  ];

  failures = 0;
}

export class LiveWorkerContext implements WorkerContext {
  readonly clusterManager: ClusterManager;
  readonly dnsCaches: WorkerDnsCaches;
  readonly onDemand: WorkerOnDemand;
  readonly stats: StatsStore = new HolderStore();
  readonly timers: TimerService = new TimerWheel();
  readonly clock: Clock = systemClock;
  readonly random: Random = systemRandom;
  readonly logger: Logger;
  readonly workerIndex: number;
  readonly concurrency: number;
  readonly node: WorkerContext['node'];
  readonly logSinks: LogSinks;
  readonly #buildRouteTable: BuildRouteTable;
  readonly #http: ReadonlyMap<string, HttpFilterFactory>;
  readonly #network: ReadonlyMap<string, NetworkFilterFactory>;
  readonly #listener: ReadonlyMap<string, ListenerFilterFactory>;
  readonly #accessLog: ReadonlyMap<string, AccessLoggerFactory>;
  readonly #tables = new Map<string, RouteTable>();
  readonly #subscribers = new Map<string, Set<(table: RouteTable) => void>>();
  /** By the id of the collection. */
  readonly #scopes = new Map<string, ScopeSet>();
  /** By VhdsData.id. */
  readonly #dynamicHosts = new Map<string, DynamicHosts>();
  readonly #extensionConfigs = new Map<string, ExtensionData>();
  readonly #extensionUsers = new Map<string, Set<OnExtensionConfig>>();
  readonly #bugs = new BugStats();
  #healthchecksFail = false;

  constructor(
    data: WorkerData,
    logger: Logger,
    factories: WorkerFactories,
    buildRouteTable: BuildRouteTable,
    createClusterManager: (context: Omit<WorkerContext, 'clusterManager'>) => ClusterManager,
    requests: WorkerRequests,
  ) {
    this.workerIndex = data.workerIndex;
    this.concurrency = data.concurrency;
    this.node = data.node;
    this.logger = logger;
    this.logSinks = new LogSinks(this.timers, this.stats, logger);
    this.#buildRouteTable = buildRouteTable;
    this.#http = byName(factories.http);
    this.#network = byName(factories.network);
    this.#listener = byName(factories.listener);
    this.#accessLog = byName(factories.accessLog);
    this.stats.add(serverScope, this.#bugs);
    this.dnsCaches = new WorkerDnsCaches({
      clock: this.clock,
      stats: this.stats,
      request: (request) => requests.dns(request),
    });
    this.onDemand = new WorkerOnDemand((target) => requests.onDemand(target));
    this.clusterManager = createClusterManager(this);
  }

  reportBug(thrown: unknown): void {
    this.#bugs.failures++;
    this.logger.error({ err: thrown }, 'a bug: the request or connection that met it was given up');
  }

  healthchecksFail(): boolean {
    return this.#healthchecksFail;
  }

  setHealthchecksFail(fail: boolean): void {
    this.#healthchecksFail = fail;
  }

  /** A new or changed RDS resource: built once, handed to every connection manager that named it. */
  setRoutes(data: RouteConfigData): void {
    const table = this.#buildRouteTable(data, this);
    this.#tables.set(data.name, table);
    const subscribers = this.#subscribers.get(data.name);
    if (subscribers !== undefined) for (const onUpdate of subscribers) onUpdate(table);
  }

  removeRoutes(name: string): void {
    this.#tables.delete(name);
  }

  subscribeRoutes(name: string, onUpdate: (table: RouteTable) => void): RouteTable | null {
    let subscribers = this.#subscribers.get(name);
    if (subscribers === undefined) {
      subscribers = new Set();
      this.#subscribers.set(name, subscribers);
    }
    subscribers.add(onUpdate);
    return this.#tables.get(name) ?? null;
  }

  unsubscribeRoutes(name: string, onUpdate: (table: RouteTable) => void): void {
    const subscribers = this.#subscribers.get(name);
    if (subscribers === undefined) return;
    subscribers.delete(onUpdate);
    if (subscribers.size === 0) this.#subscribers.delete(name);
  }

  applyScope({ collection, scope }: ScopeResource, isRemoval: boolean): void {
    const scopes = this.scopes(collection);
    if (isRemoval) scopes.delete(scope.name);
    else scopes.set(scope);
  }

  scopes(collection: string): ScopeSet {
    let scopes = this.#scopes.get(collection);
    if (scopes === undefined) {
      scopes = new ScopeSet({
        build: (routes) => this.#buildRouteTable(routes, this),
        subscribeRoutes: (id, onUpdate) => this.subscribeRoutes(id, onUpdate),
        unsubscribeRoutes: (id, onUpdate) => this.unsubscribeRoutes(id, onUpdate),
      });
      this.#scopes.set(collection, scopes);
    }
    return scopes;
  }

  applyVirtualHost({ owner, name, host }: VirtualHostResource, isRemoval: boolean): void {
    const hosts = this.dynamicHosts(owner);
    if (isRemoval) hosts.delete(name);
    else hosts.set(name, host);
  }

  dynamicHosts(id: string): DynamicHosts {
    let hosts = this.#dynamicHosts.get(id);
    if (hosts === undefined) {
      hosts = new DynamicHosts();
      this.#dynamicHosts.set(id, hosts);
    }
    return hosts;
  }

  /** Subscriptions of all connection managers; for leak tests. */
  get routeSubscriberCount(): number {
    let count = 0;
    for (const subscribers of this.#subscribers.values()) count += subscribers.size;
    return count;
  }

  /** A new or changed ECDS resource; null = it is gone. */
  setExtensionConfig(id: string, config: ExtensionData | null): void {
    if (config === null) this.#extensionConfigs.delete(id);
    else this.#extensionConfigs.set(id, config);
    for (const onUpdate of this.#extensionUsers.get(id) ?? []) onUpdate(config);
  }

  /** Nobody refers to it any more; who still has it keeps it. */
  forgetExtensionConfig(id: string): void {
    this.#extensionConfigs.delete(id);
  }

  subscribeExtensionConfig(id: string, onUpdate: OnExtensionConfig): ExtensionData | null {
    const users = this.#extensionUsers.get(id) ?? new Set();
    this.#extensionUsers.set(id, users);
    users.add(onUpdate);
    return this.#extensionConfigs.get(id) ?? null;
  }

  unsubscribeExtensionConfig(id: string, onUpdate: OnExtensionConfig): void {
    const users = this.#extensionUsers.get(id);
    users?.delete(onUpdate);
    if (users?.size === 0) this.#extensionUsers.delete(id);
  }

  logSink(path: string): LogSink {
    return this.logSinks.get(path);
  }

  createAccessLogger(data: ExtensionData): AccessLogger {
    return find(this.#accessLog, data.extension).create(data.data, this);
  }

  createHttpFilter(data: ExtensionData, context: HttpFilterContext): HttpFilterConfig {
    return find(this.#http, data.extension).create(data.data, context);
  }

  createRouteFilterConfig(extension: string, data: unknown): unknown {
    return find(this.#http, extension).createRouteConfig?.(data) ?? data;
  }

  createNetworkFilter(data: ExtensionData, listener: FilterListener): NetworkFilterConfig {
    return find(this.#network, data.extension).create(data.data, this, listener);
  }

  createListenerFilter(data: ExtensionData, listener: FilterListener): ListenerFilterConfig {
    return find(this.#listener, data.extension).create(data.data, this, listener);
  }
}
