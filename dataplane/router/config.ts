// What all streams of one router filter share.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { ClusterManager } from '../api/cluster.ts';
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
}
