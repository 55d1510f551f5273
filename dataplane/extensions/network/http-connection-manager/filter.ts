// envoy.filters.network.http_connection_manager, worker half: HcmConfig -> a living connection manager config,
// its filters, access loggers and routes.

import type { HcmConfig } from '../../../api/config/hcm.ts';
import type { RouteConfigData } from '../../../api/config/route.ts';
import type { ScopeData } from '../../../api/config/scoped-routes.ts';
import type { DrainSequence } from '../../../api/drain.ts';
import type { FilterListener, NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import type { NetworkFilterConfig, ReadFilter } from '../../../api/network-filter.ts';
import type { RouteTable, Scopes } from '../../../api/route.ts';
import { scopedRoutesScope } from '../../../api/scoped-routes-stats.ts';
import { HttpConnectionManagerConfig } from '../../../hcm/config.ts';
import { ConnectionManager } from '../../../hcm/connection-manager.ts';
import { ScopeSet } from '../../../router/scope-set.ts';
import { ScopeStats } from '../../../router/scope-stats.ts';
import { ScopedRouteTable } from '../../../router/scoped-route-table.ts';

/** router's: makes the runtime table of an inline route configuration. */
export type BuildRouteTable = (data: RouteConfigData, worker: WorkerContext) => RouteTable;

/** One per filter chain and worker. */
export class HcmFilterConfig implements NetworkFilterConfig {
  readonly manager: HttpConnectionManagerConfig;
  readonly #worker: WorkerContext;
  /** The RDS name, '' = there is none. */
  readonly #routesName: string;
  #scopeStats: ScopeStats | null = null;
  readonly #onRoutes = (update: RouteTable) => this.manager.setRoutes(update);

  constructor(
    data: HcmConfig,
    worker: WorkerContext,
    buildRouteTable: BuildRouteTable,
    listener: FilterListener | null,
  ) {
    this.#worker = worker;
    const { routes } = data;
    this.#routesName = routes.kind === 'rds' ? routes.name : '';
    const context = { statPrefix: data.statPrefix, worker };
    const table = this.#createTable(data, buildRouteTable);
    const createFilters = (filters: HcmConfig['httpFilters']) =>
      filters.map((filter) => ({
        name: filter.name,
        config: worker.createHttpFilter(filter, context),
        disabled: filter.disabled,
      }));
    this.manager = new HttpConnectionManagerConfig(data, table, {
      filters: createFilters(data.httpFilters),
      upgradeFilters: data.upgrades.map(({ filters }) =>
        filters === null ? null : createFilters(filters),
      ),
      accessLoggers: data.accessLogs.map((log) => worker.createAccessLogger(log)),
      worker,
      ...(listener === null
        ? {}
        : {
            ignoresHealthchecksFail: listener.drainType === 'MODIFY_ONLY',
            bufferLimitBytes: listener.perConnectionBufferLimitBytes,
            listenerStatPrefix: listener.statPrefix,
          }),
    });
  }

  #createTable({ routes, statPrefix }: HcmConfig, build: BuildRouteTable): RouteTable | null {
    const worker = this.#worker;
    switch (routes.kind) {
      case 'inline':
        return build(routes.config, worker);
      case 'rds':
        return worker.subscribeRoutes(routes.name, this.#onRoutes);
      case 'scoped': {
        const scopes =
          routes.scopes.kind === 'srds'
            ? this.#subscribeScopes(routes.name, routes.scopes.collection, statPrefix)
            : inlineScopes(routes.scopes.list, build, worker);
        return new ScopedRouteTable(routes.keyBuilder, scopes);
      }
      default:
        return routes satisfies never;
    }
  }

  #subscribeScopes(name: string, collection: string, statPrefix: string): Scopes {
    const { stats } = this.#worker;
    const scopes = this.#worker.scopes(collection);
    this.#scopeStats = new ScopeStats(scopes);
    stats.add(scopedRoutesScope(statPrefix, name), this.#scopeStats);
    return scopes;
  }

  createFilter(): ReadFilter {
    return new ConnectionManager(this.manager);
  }

  startDrain(drain: DrainSequence): void {
    this.manager.startDrain(drain);
  }

  dispose(): void {
    if (this.#routesName !== '') {
      this.#worker.unsubscribeRoutes(this.#routesName, this.#onRoutes);
    }
    if (this.#scopeStats !== null) this.#worker.stats.remove(this.#scopeStats);
    this.manager.dispose();
  }
}

/** They are all there is, and go with their connection manager. */
function inlineScopes(
  list: readonly ScopeData[],
  build: BuildRouteTable,
  worker: WorkerContext,
): Scopes {
  const scopes = new ScopeSet({
    build: (routes) => build(routes, worker),
    subscribeRoutes: (id, onUpdate) => worker.subscribeRoutes(id, onUpdate),
    unsubscribeRoutes: (id, onUpdate) => worker.unsubscribeRoutes(id, onUpdate),
  });
  for (const scope of list) scopes.set(scope);
  return scopes;
}

/** The worker half; data is HcmConfig. */
export function httpConnectionManagerFactory(
  buildRouteTable: BuildRouteTable,
): NetworkFilterFactory {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    create(data: unknown, context: WorkerContext, listener?: FilterListener): NetworkFilterConfig {
      // The contract between the halves: config.ts made it.
      const hcm = data as HcmConfig;
      return new HcmFilterConfig(hcm, context, buildRouteTable, listener ?? null);
    },
  };
}
