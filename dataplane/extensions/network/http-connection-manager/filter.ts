// envoy.filters.network.http_connection_manager, worker half: HcmConfig -> a living connection manager config,
// its filters, access loggers and routes.

import type { HcmConfig } from '../../../api/config/hcm.ts';
import type { RouteConfigData } from '../../../api/config/route.ts';
import type { DrainSequence } from '../../../api/drain.ts';
import type { FilterListener, NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import type { NetworkFilterConfig, ReadFilter } from '../../../api/network-filter.ts';
import type { RouteTable } from '../../../api/route.ts';
import { HttpConnectionManagerConfig } from '../../../hcm/config.ts';
import { ConnectionManager } from '../../../hcm/connection-manager.ts';

/** router's: makes the runtime table of an inline route configuration. */
export type BuildRouteTable = (data: RouteConfigData, worker: WorkerContext) => RouteTable;

/** One per filter chain and worker. */
export class HcmFilterConfig implements NetworkFilterConfig {
  readonly manager: HttpConnectionManagerConfig;
  readonly #worker: WorkerContext;
  /** The RDS name, '' = inline routes. */
  readonly #routesName: string;
  readonly #onRoutes = (update: RouteTable) => this.manager.setRoutes(update);

  constructor(
    data: HcmConfig,
    worker: WorkerContext,
    buildRouteTable: BuildRouteTable,
    listener: FilterListener | null,
  ) {
    this.#worker = worker;
    this.#routesName = data.routes.kind === 'inline' ? '' : data.routes.name;
    const context = { statPrefix: data.statPrefix, worker };
    const { routes } = data;
    const table =
      routes.kind === 'inline'
        ? buildRouteTable(routes.config, worker)
        : worker.subscribeRoutes(routes.name, this.#onRoutes);
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
    this.manager.dispose();
  }
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
