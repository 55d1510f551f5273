// envoy.filters.network.local_ratelimit, worker half: a new connection takes a token, exactly over all workers, or
// is closed with nothing read.

import { ConnectionCloseType } from '../../../api/connection.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { StatField, StatsStore } from '../../../api/stats.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { RuntimeValue } from '../../../matcher/runtime-value.ts';
import { TokenBucket } from '../../_shared/token-bucket/token-bucket.ts';
import type { LocalRateLimitData } from './data.ts';

class LocalRateLimitStats {
  static readonly stats: readonly StatField[] = [
    { field: 'rateLimited', name: 'rate_limited', kind: 'counter' },
  ];

  rateLimited = 0;
}

/** Shared by the connections of one filter chain in one worker. */
class LocalRateLimitConfig implements NetworkFilterConfig {
  readonly isEnabled: RuntimeValue;
  readonly bucket: TokenBucket;
  readonly stats = new LocalRateLimitStats();
  readonly #store: StatsStore;

  constructor(data: LocalRateLimitData, context: WorkerContext) {
    const { statPrefix } = data;
    this.isEnabled = new RuntimeValue(data.isEnabled);
    this.bucket = new TokenBucket(data.tokenBucket, context.clock);
    this.#store = context.stats;
    this.#store.add(
      {
        prefix: `local_rate_limit.${statPrefix}`,
        promPrefix: 'envoy_local_rate_limit',
        labels: { envoy_local_network_ratelimit_prefix: statPrefix },
      },
      this.stats,
    );
  }

  createFilter(): ReadFilter {
    return new LocalRateLimitFilter(this);
  }

  startDrain(): void {}

  dispose(): void {
    this.#store.remove(this.stats);
  }
}

class LocalRateLimitFilter implements ReadFilter {
  readonly #config: LocalRateLimitConfig;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;

  constructor(config: LocalRateLimitConfig) {
    this.#config = config;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    const { isEnabled, bucket, stats } = this.#config;
    if (!isEnabled.isOn() || bucket.tryTake()) return NetworkFilterStatus.Continue;
    stats.rateLimited++;
    const { connection, streamInfo } = this.#callbacks;
    // Envoy's flag for it (and not RL), seen in 1.40.
    streamInfo.responseFlags |= ResponseFlag.UpstreamRetryLimitExceeded;
    streamInfo.downstreamLocalCloseReason = 'local_ratelimit_close_over_limit';
    connection.close(ConnectionCloseType.NoFlush);
    return NetworkFilterStatus.StopIteration;
  }

  onData(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }
}

export const localRateLimitFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.local_ratelimit',
  // config.ts made it
  create: (data, context) => new LocalRateLimitConfig(data as LocalRateLimitData, context),
};
