// Compiled envoy.filters.http.grpc_stats (extensions.filters.http.grpc_stats.v3.FilterConfig): config.ts makes
// it, filter.ts reads it.

export interface GrpcStatsData {
  /** Which methods have stats of their own: 'none' of them, 'all', or those listed. */
  readonly individual: 'none' | 'all' | readonly AllowedService[];
  /** enable_upstream_stats: the time from the end of the request to the end of the response. */
  readonly upstreamStats: boolean;
  /** Message counts go into the stream's filter state. */
  readonly emitFilterState: boolean;
  /** Only where all methods have stats of their own. */
  readonly replaceDots: boolean;
}

/** config.core.v3.GrpcMethodList.Service. */
export interface AllowedService {
  readonly name: string;
  readonly methods: readonly string[];
}
