// envoy.filters.http.router: worker half. The engine is router/.

import type { HttpFilterFactory } from '../../../api/factory.ts';
import type { HttpFilterConfig, StreamFilter } from '../../../api/http-filter.ts';
import type { StatsStore } from '../../../api/stats.ts';
import type { RouterConfig } from '../../../router/config.ts';
import { RouterFilter } from '../../../router/router.ts';
import { RouterStats, routerStatScope } from '../../../router/stats.ts';
import type { RouterData } from './data.ts';

class RouterFilterConfig implements HttpFilterConfig {
  readonly #config: RouterConfig;
  readonly #store: StatsStore;

  constructor(config: RouterConfig, store: StatsStore) {
    this.#config = config;
    this.#store = store;
  }

  createFilter(): StreamFilter {
    return { decoder: new RouterFilter(this.#config), encoder: null };
  }

  dispose(): void {
    this.#store.remove(this.#config.stats);
  }
}

export const routerFilterFactory: HttpFilterFactory = {
  name: 'envoy.filters.http.router',
  create: (compiled, { statPrefix, worker }) => {
    // Made by config.ts of this extension.
    const data = compiled as RouterData;
    const stats = new RouterStats();
    worker.stats.add(routerStatScope(statPrefix), stats);
    const config: RouterConfig = {
      clusterManager: worker.clusterManager,
      timers: worker.timers,
      clock: worker.clock,
      random: worker.random,
      stats,
      dynamicStats: data.dynamicStats,
      suppressEnvoyHeaders: data.suppressEnvoyHeaders,
      respectExpectedRqTimeout: data.respectExpectedRqTimeout,
    };
    return new RouterFilterConfig(config, worker.stats);
  },
};
