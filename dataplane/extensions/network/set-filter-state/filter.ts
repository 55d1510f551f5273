// envoy.filters.network.set_filter_state, worker half: texts about a new connection go into its filter state, for
// tcp_proxy and, through hcm, for the requests on it.

import { connectionLogContext } from '../../../api/access-log.ts';
import type { NetworkFilterFactory } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { FilterStateValueData } from '../../_shared/filter-state/data.ts';
import { FilterStateValues } from '../../_shared/filter-state/values.ts';

class SetFilterStateConfig implements NetworkFilterConfig {
  readonly #values: FilterStateValues;

  constructor(data: readonly FilterStateValueData[]) {
    this.#values = new FilterStateValues(data);
  }

  createFilter(): ReadFilter {
    return new SetFilterStateFilter(this.#values);
  }

  startDrain(): void {
    // connections go on
  }
}

class SetFilterStateFilter implements ReadFilter {
  readonly #values: FilterStateValues;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  constructor(values: FilterStateValues) {
    this.#values = values;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    this.#values.set(connectionLogContext(this.#callbacks.streamInfo, 'NotSet'));
    return NetworkFilterStatus.Continue;
  }

  onData(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }
}

export const setConnectionFilterState: NetworkFilterFactory = {
  name: 'envoy.filters.network.set_filter_state',
  // Made by config.ts.
  create: (data) => new SetFilterStateConfig(data as readonly FilterStateValueData[]),
};
