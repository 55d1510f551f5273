// envoy.filters.http.router: worker half. The engine is router/.

import type { HttpFilterFactory } from '../../../api/factory.ts';
import type { HttpFilterConfig, StreamFilter } from '../../../api/http-filter.ts';
import type { StatsStore } from '../../../api/stats.ts';
import { hostAddress } from '../../../network/host-address.ts';
import { RouterAsyncClient } from '../../../router/async-client.ts';
import type { RouterConfig } from '../../../router/config.ts';
import { RetryRuntime } from '../../../router/retry/runtime.ts';
import { RouterFilter } from '../../../router/router.ts';
import { ASYNC_CLIENT, RouterStats, routerStatScope } from '../../../router/stats.ts';
import type { RouterData } from './data.ts';

class RouterFilterConfig implements HttpFilterConfig {
  readonly #config: RouterConfig;
  readonly #asyncStats: RouterStats;
  readonly #store: StatsStore;

  constructor(config: RouterConfig, asyncStats: RouterStats, store: StatsStore) {
    this.#config = config;
    this.#asyncStats = asyncStats;
    this.#store = store;
  }

  createFilter(): StreamFilter {
    return { decoder: new RouterFilter(this.#config), encoder: null };
  }

  dispose(): void {
    this.#store.remove(this.#config.stats);
    this.#store.remove(this.#asyncStats);
  }
}

export const routerFilterFactory: HttpFilterFactory = {
  name: 'envoy.filters.http.router',
  create: (compiled, { statPrefix, worker }) => {
    // Made by config.ts of this extension.
    const data = compiled as RouterData;
    const stats = new RouterStats();
    worker.stats.add(routerStatScope(statPrefix), stats);
    const asyncStats = new RouterStats();
    worker.stats.add(routerStatScope(ASYNC_CLIENT), asyncStats);
    const own: RouterConfig = {
      clusterManager: worker.clusterManager,
      timers: worker.timers,
      clock: worker.clock,
      random: worker.random,
      stats: asyncStats,
      dynamicStats: data.dynamicStats,
      suppressEnvoyHeaders: data.suppressEnvoyHeaders,
      respectExpectedRqTimeout: data.respectExpectedRqTimeout,
      retryRuntime: data.retryRuntime === null ? null : new RetryRuntime(data.retryRuntime),
      asyncClient: null,
    };
    const asyncClient = new RouterAsyncClient(own, hostAddress());
    return new RouterFilterConfig({ ...own, stats, asyncClient }, asyncStats, worker.stats);
  },
};
