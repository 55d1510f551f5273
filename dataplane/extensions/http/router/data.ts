// Compiled envoy.filters.http.router (extensions.filters.http.router.v3.Router): config.ts makes it, filter.ts reads it.

/** Defaults are Envoy's. */
export interface RouterData {
  /** Charge upstream_rq_* per code (default true). */
  readonly dynamicStats: boolean;
  /** No x-envoy-* headers are added to upstream requests and downstream responses. */
  readonly suppressEnvoyHeaders: boolean;
  /** A trusted x-envoy-expected-rq-timeout-ms replaces the route's timeout. */
  readonly respectExpectedRqTimeout: boolean;
}
