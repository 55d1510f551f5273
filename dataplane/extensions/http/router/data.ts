// Compiled envoy.filters.http.router (extensions.filters.http.router.v3.Router): config.ts makes it, filter.ts reads it.

import type { RuntimeNumber } from '../../../api/runtime.ts';

/** Defaults are Envoy's. */
export interface RouterData {
  /** Charge upstream_rq_* per code (default true). */
  readonly dynamicStats: boolean;
  /** No x-envoy-* headers are added to upstream requests and downstream responses. */
  readonly suppressEnvoyHeaders: boolean;
  /** A trusted x-envoy-expected-rq-timeout-ms replaces the route's timeout. */
  readonly respectExpectedRqTimeout: boolean;
  /** What runtime says of retries; null = nothing, nor will it. */
  readonly retryRuntime: {
    /** Runtime key upstream.base_retry_backoff_ms: of retries whose policy has no back-off, default 25. */
    readonly baseMs: RuntimeNumber;
    /** Runtime key upstream.use_retry: so many percent of retries are tried, default 100. */
    readonly usePercent: RuntimeNumber;
  } | null;
}
