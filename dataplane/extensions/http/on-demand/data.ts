// What the two halves of envoy.filters.http.on_demand pass between them.

import type { ConfigSource } from '../../../api/config/config-source.ts';

/** OnDemand, and PerRouteConfig, which goes before it. */
export interface OnDemandData {
  /** Null = clusters are not asked for. */
  readonly odcds: OnDemandCdsData | null;
}

/** OnDemandCds. */
export interface OnDemandCdsData {
  readonly source: ConfigSource;
  /** How long a request waits for its cluster; default 5000, 0 = not at all. */
  readonly timeoutMs: number;
}
