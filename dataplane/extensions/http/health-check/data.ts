// Compiled envoy.filters.http.health_check: config.ts makes it, filter.ts reads it.

import type { HeaderMatcherData } from '../../../api/matcher-data.ts';

export interface HealthCheckFilterData {
  /** Health checks go on to the upstream; otherwise they are answered here. */
  readonly passThroughMode: boolean;
  /** What makes a request a health check: all of them match. */
  readonly headers: readonly HeaderMatcherData[];
  readonly clusters: readonly MinimumHealth[];
  /** Only in pass-through mode; null = each check is passed on. */
  readonly cache: HealthCheckCacheData | null;
}

/** A cluster without which this server does not pass. */
export interface MinimumHealth {
  readonly cluster: string;
  /** Whole percent of its hosts that must not be unhealthy; what is behind the point is cut off, as in Envoy. */
  readonly percent: number;
}

/** One answer for all workers, forgotten at the end of each period. */
export interface HealthCheckCacheData {
  readonly periodMs: number;
  /** One word: 0 = nothing is known; else the status, and DEGRADED_BIT. */
  readonly answer: SharedArrayBuffer;
}

export const DEGRADED_BIT = 0x10000;
