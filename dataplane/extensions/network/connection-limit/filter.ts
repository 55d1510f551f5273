// envoy.filters.network.connection_limit, worker half: at most max_connections of one filter chain at a time,
// exact over all workers. What is above is closed, at once or after `delay`, with nothing read.

import { tryAcquireBelow } from '../../../../common/shared-memory.ts';
import type { Timer } from '../../../../common/timer.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../../api/connection.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { StatField } from '../../../api/stats.ts';
import { RuntimeValue } from '../../../matcher/runtime-value.ts';
import type { ConnectionLimitData } from './data.ts';

class ConnectionLimitStats {
  static readonly stats: readonly StatField[] = [
    { field: 'activeConnections', name: 'active_connections', kind: 'gauge' },
    { field: 'limitedConnections', name: 'limited_connections', kind: 'counter' },
  ];

  /** With those that wait to be refused, as Envoy counts. */
  activeConnections = 0;
  limitedConnections = 0;
}

/** Shared by the connections of one filter chain in one worker. */
class ConnectionLimitConfig implements NetworkFilterConfig {
  readonly data: ConnectionLimitData;
  readonly context: WorkerContext;
  readonly stats = new ConnectionLimitStats();
  readonly isEnabled: RuntimeValue;
  readonly #count: Int32Array;

  constructor(data: ConnectionLimitData, context: WorkerContext) {
    this.data = data;
    this.context = context;
    this.isEnabled = new RuntimeValue(data.isEnabled);
    this.#count = new Int32Array(data.count);
    const { statPrefix } = data;
    context.stats.add(
      {
        prefix: `connection_limit.${statPrefix}`,
        promPrefix: 'envoy_connection_limit',
        labels: { envoy_connection_limit_prefix: statPrefix },
      },
      this.stats,
    );
  }

  createFilter(): ReadFilter {
    return new ConnectionLimitFilter(this);
  }

  startDrain(): void {}

  dispose(): void {
    this.context.stats.remove(this.stats);
  }

  tryAcquire(): boolean {
    return tryAcquireBelow(this.#count, 0, this.data.maxConnections);
  }

  release(): void {
    Atomics.sub(this.#count, 0, 1);
  }
}

class ConnectionLimitFilter implements ReadFilter, ConnectionCallbacks {
  readonly #config: ConnectionLimitConfig;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;
  #isCounted = false;
  #isActive = false;
  #isRefused = false;
  #delay: Timer | null = null;

  constructor(config: ConnectionLimitConfig) {
    this.#config = config;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
    callbacks.connection.addConnectionCallbacks(this);
  }

  onNewConnection(): NetworkFilterStatus {
    const { data, stats, context } = this.#config;
    if (!this.#config.isEnabled.isOn()) return NetworkFilterStatus.Continue;
    this.#isActive = true;
    stats.activeConnections++;
    if (this.#config.tryAcquire()) {
      this.#isCounted = true;
      return NetworkFilterStatus.Continue;
    }
    stats.limitedConnections++;
    this.#isRefused = true;
    if (data.delayMs > 0) {
      this.#delay = context.timers.createTimer(refuse, this);
      this.#delay.start(data.delayMs);
    } else this.refuse();
    return NetworkFilterStatus.StopIteration;
  }

  onData(): NetworkFilterStatus {
    return this.#isRefused ? NetworkFilterStatus.StopIteration : NetworkFilterStatus.Continue;
  }

  refuse(): void {
    const { connection, streamInfo } = this.#callbacks;
    streamInfo.downstreamLocalCloseReason = 'over_connection_limit';
    connection.close(ConnectionCloseType.NoFlush);
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected || !this.#isActive) return;
    this.#isActive = false;
    this.#delay?.stop();
    this.#config.stats.activeConnections--;
    if (this.#isCounted) this.#config.release();
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

function refuse(filter: ConnectionLimitFilter): void {
  filter.refuse();
}

export const connectionLimitFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.connection_limit',
  // config.ts made it
  create: (data, context) => new ConnectionLimitConfig(data as ConnectionLimitData, context),
};
