// Worker half of a listener filter with config_discovery: each connection gets a filter of the config that is in force when it comes;
// without one it is closed before anything is read.

import {
  DISCOVERED_LISTENER_FILTER,
  type DiscoveredFilterData,
} from '../../../api/config/extension-config.ts';
import type { FilterListener, ListenerFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  type ListenerFilter,
  type ListenerFilterConfig,
  ListenerFilterStatus,
} from '../../../api/listener-filter.ts';
import type { StatField } from '../../../api/stats.ts';
import { listenerScope } from '../../../listener/listener-stats.ts';
import { DiscoveredConfig } from '../../_shared/discovered-config.ts';

class MissingStats {
  static readonly stats: readonly StatField[] = [
    { field: 'missing', name: 'extension_config_missing', kind: 'counter' },
  ];

  missing = 0;
}

class DiscoveredFilterConfig implements ListenerFilterConfig {
  readonly #stats = new MissingStats();
  readonly #missing: ListenerFilter;
  readonly #config: DiscoveredConfig<ListenerFilterConfig>;
  readonly #worker: WorkerContext;

  constructor(data: DiscoveredFilterData, worker: WorkerContext, listener: FilterListener) {
    this.#worker = worker;
    worker.stats.add(listenerScope(listener.statPrefix), this.#stats);
    this.#missing = new MissingConfigFilter(this.#stats);
    this.#config = new DiscoveredConfig(data, worker, (config) =>
      worker.createListenerFilter(config, listener),
    );
  }

  createFilter(): ListenerFilter {
    return this.#config.current?.createFilter() ?? this.#missing;
  }

  dispose(): void {
    this.#config.dispose();
    this.#worker.stats.remove(this.#stats);
  }
}

class MissingConfigFilter implements ListenerFilter {
  readonly maxReadBytes = 0;
  readonly #stats: MissingStats;

  constructor(stats: MissingStats) {
    this.#stats = stats;
  }

  onAccept(): ListenerFilterStatus {
    this.#stats.missing++;
    return ListenerFilterStatus.Close;
  }

  onData(): ListenerFilterStatus {
    return ListenerFilterStatus.Close;
  }
}

/** The worker half; data is DiscoveredFilterData. */
export const listenerConfigDiscovery: ListenerFilterFactory = {
  name: DISCOVERED_LISTENER_FILTER,
  create(data: unknown, context: WorkerContext, listener?: FilterListener): ListenerFilterConfig {
    if (listener === undefined)
      throw new Error('a listener filter by discovery needs its listener');
    // compile/config-discovery.ts made it.
    return new DiscoveredFilterConfig(data as DiscoveredFilterData, context, listener);
  },
};
