// Compiled envoy.filters.http.fault (extensions.filters.http.fault.v3.HTTPFault, also per route): config.ts
// makes it, filter.ts reads it.

import type { FractionData, HeaderMatcherData } from '../../../api/matcher-data.ts';
import type { RuntimeNumber } from '../../../api/runtime.ts';

export interface FaultData {
  readonly delay: FaultDelayData | null;
  readonly abort: FaultAbortData | null;
  /** Only requests whose route leads to that cluster; '' = all. */
  readonly upstreamCluster: string;
  /** All must match. */
  readonly headers: readonly HeaderMatcherData[];
  /** x-envoy-downstream-service-node must be one of them; empty = any. */
  readonly downstreamNodes: readonly string[];
  /** Faults at one time; null = no ceiling. */
  readonly maxActiveFaults: RuntimeNumber | null;
  readonly disableDownstreamClusterStats: boolean;
}

export interface FaultDelayData {
  /** Null = header_delay: x-envoy-fault-delay-request (ms) says, else no delay. */
  readonly fixedDelayMs: RuntimeNumber | null;
  /** With header_delay x-envoy-fault-delay-request-percentage may lower the numerator. */
  readonly percentage: FractionData;
}

export interface FaultAbortData {
  readonly status:
    | { readonly kind: 'http'; readonly status: RuntimeNumber }
    | { readonly kind: 'grpc'; readonly status: RuntimeNumber }
    /** x-envoy-fault-abort-request (HTTP status) or x-envoy-fault-abort-grpc-request says. */
    | { readonly kind: 'header' };
  /** With header abort x-envoy-fault-abort-request-percentage may lower the numerator. */
  readonly percentage: FractionData;
}
