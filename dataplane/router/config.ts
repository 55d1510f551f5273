// What all streams of one router filter share.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { AsyncClient } from '../api/async-client.ts';
import type { ClusterManager } from '../api/cluster.ts';
import type { RetryRuntime } from './retry/runtime.ts';
import type { RouterStats } from './stats.ts';

/** Made by the worker half of envoy.filters.http.router; immutable. */
export interface RouterConfig {
  readonly clusterManager: ClusterManager;
  readonly timers: TimerService;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: RouterStats;
  /** Charge upstream_rq_* by response code. */
  readonly dynamicStats: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRqTimeout: boolean;
  /** Null = runtime says nothing of retries. */
  readonly retryRuntime: RetryRuntime | null;
  /** Sends copies of requests; null = they are such copies, or other requests of our own. */
  readonly asyncClient: AsyncClient | null;
}
