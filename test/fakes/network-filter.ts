// One network filter in front of a connection without a socket: what a test of its worker half needs.

import { silentLogger } from '../../common/logger.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../dataplane/api/factory.ts';
import type { NetworkFilterConfig, ReadFilter } from '../../dataplane/api/network-filter.ts';
import type { StreamInfo } from '../../dataplane/api/stream-info.ts';
import { HttpStreamInfo } from '../../dataplane/http/stream-info.ts';
import { takeSnapshot } from '../../dataplane/stats/snapshot.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { FakeConnection } from './connection.ts';
import { FakeTimers } from './timers.ts';

/** One connection and the filter that was made for it. */
export interface FilteredConnection {
  readonly connection: FakeConnection;
  readonly streamInfo: StreamInfo;
  readonly filter: ReadFilter;
}

export class NetworkFilterScenario {
  readonly timers = new FakeTimers();
  readonly store = new HolderStore();
  readonly #factory: NetworkFilterFactory;
  readonly #config: NetworkFilterConfig;

  constructor(factory: NetworkFilterFactory, data: unknown) {
    this.#factory = factory;
    this.#config = this.#create(data);
  }

  /** The same filter as another worker has it; its stats are the same store's. */
  inAnotherWorker(data: unknown): NetworkFilterConfig {
    return this.#create(structuredClone(data));
  }

  /** A new connection: its filter is made, nothing was called yet but the setting of callbacks. */
  open(
    connection = new FakeConnection(),
    config: NetworkFilterConfig = this.#config,
  ): FilteredConnection {
    const streamInfo = new HttpStreamInfo(connection, '', '', this.timers.clock.nowMs(), 0);
    const filter = config.createFilter();
    filter.initializeReadFilterCallbacks({ connection, streamInfo, continueReading() {} });
    return { connection, streamInfo, filter };
  }

  stat(name: string): number | undefined {
    const value = takeSnapshot(this.store).find((entry) => entry.name === name)?.value;
    return typeof value === 'number' ? value : undefined;
  }

  #create(data: unknown): NetworkFilterConfig {
    const { timers } = this;
    // Network filters use no more of their context than this.
    const context = {
      stats: this.store,
      timers,
      clock: timers.clock,
      random: () => 0,
      logger: silentLogger(),
    } as unknown as WorkerContext;
    return this.#factory.create(data, context);
  }
}
