// Worker half of a network filter with config_discovery: each connection gets a filter of the config that is in force when it comes;
// without one it is closed, with the reason that Envoy gives (`no_filters`).

import {
  DISCOVERED_NETWORK_FILTER,
  type DiscoveredFilterData,
} from '../../../api/config/extension-config.ts';
import { ConnectionCloseType } from '../../../api/connection.ts';
import type { DrainSequence } from '../../../api/drain.ts';
import type { FilterListener, NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { StatField } from '../../../api/stats.ts';
import { listenerScope } from '../../../listener/listener-stats.ts';
import { DiscoveredConfig } from '../../_shared/discovered-config.ts';

class MissingStats {
  static readonly stats: readonly StatField[] = [
    { field: 'missing', name: 'network_extension_config_missing', kind: 'counter' },
  ];

  missing = 0;
}

class DiscoveredFilterConfig implements NetworkFilterConfig {
  readonly stats = new MissingStats();
  readonly #config: DiscoveredConfig<NetworkFilterConfig>;
  readonly #worker: WorkerContext;

  constructor(data: DiscoveredFilterData, worker: WorkerContext, listener: FilterListener) {
    this.#worker = worker;
    worker.stats.add(listenerScope(listener.statPrefix), this.stats);
    this.#config = new DiscoveredConfig(data, worker, (config) =>
      worker.createNetworkFilter(config, listener),
    );
  }

  createFilter(): ReadFilter {
    const { current } = this.#config;
    return current === null ? new MissingConfigFilter(this.stats) : current.createFilter();
  }

  startDrain(drain: DrainSequence): void {
    this.#config.current?.startDrain(drain);
  }

  dispose(): void {
    this.#config.dispose();
    this.#worker.stats.remove(this.stats);
  }
}

class MissingConfigFilter implements ReadFilter {
  readonly #stats: MissingStats;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  constructor(stats: MissingStats) {
    this.#stats = stats;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    const { connection, streamInfo } = this.#callbacks;
    this.#stats.missing++;
    streamInfo.downstreamLocalCloseReason = 'no_filters';
    connection.close(ConnectionCloseType.NoFlush);
    return NetworkFilterStatus.StopIteration;
  }

  onData(): NetworkFilterStatus {
    return NetworkFilterStatus.StopIteration;
  }
}

/** The worker half; data is DiscoveredFilterData. */
export const networkConfigDiscovery: NetworkFilterFactory = {
  name: DISCOVERED_NETWORK_FILTER,
  create(data: unknown, context: WorkerContext, listener?: FilterListener): NetworkFilterConfig {
    if (listener === undefined) throw new Error('a network filter by discovery needs its listener');
    // compile/config-discovery.ts made it.
    return new DiscoveredFilterConfig(data as DiscoveredFilterData, context, listener);
  },
};
