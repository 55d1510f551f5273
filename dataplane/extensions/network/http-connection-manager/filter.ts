// envoy.filters.network.http_connection_manager, worker half: HcmConfig -> a living connection manager config,
// its filters, access loggers and routes.

import type { HcmConfig } from '../../../api/config/hcm.ts';
import type { RouteConfigData } from '../../../api/config/route.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import type { NetworkFilterConfig, ReadFilter } from '../../../api/network-filter.ts';
import type { RouteTable } from '../../../api/route.ts';
import { HttpConnectionManagerConfig } from '../../../hcm/config.ts';
import { ConnectionManager } from '../../../hcm/connection-manager.ts';

/** router's: makes the runtime table of an inline route configuration. */
export type BuildRouteTable = (data: RouteConfigData, worker: WorkerContext) => RouteTable;

/** One per filter chain and worker. */
export class HcmFilterConfig implements NetworkFilterConfig {
  readonly manager: HttpConnectionManagerConfig;

  constructor(data: HcmConfig, worker: WorkerContext, buildRouteTable: BuildRouteTable) {
    const context = { statPrefix: data.statPrefix, worker };
    const { routes } = data;
    const table =
      routes.kind === 'inline'
        ? buildRouteTable(routes.config, worker)
        : worker.subscribeRoutes(routes.name, (update) => this.manager.setRoutes(update));
    this.manager = new HttpConnectionManagerConfig(data, table, {
      filters: data.httpFilters.map((filter) => ({
        name: filter.name,
        config: worker.createHttpFilter(filter, context),
        disabled: filter.disabled,
      })),
      accessLoggers: data.accessLogs.map((log) => worker.createAccessLogger(log)),
      worker,
    });
  }

  createFilter(): ReadFilter {
    return new ConnectionManager(this.manager);
  }

  startDrain(): void {
    this.manager.startDrain();
  }
}

/** The worker half; data is HcmConfig. */
export function httpConnectionManagerFactory(
  buildRouteTable: BuildRouteTable,
): NetworkFilterFactory {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    create(data: unknown, context: WorkerContext): NetworkFilterConfig {
      // The contract between the halves: config.ts made it.
      return new HcmFilterConfig(data as HcmConfig, context, buildRouteTable);
    },
  };
}
