// envoy.filters.http.grpc_stats: main-thread half.

import { ok } from '../../../../common/result.ts';
import type { FiltersHttpGrpcStatsFilterConfigProto } from '../../../../proto/gen/types.ts';
import { wrapperOr } from '../../../../proto/well-known.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';
import type { GrpcStatsData } from './data.ts';

/** FilterConfig -> GrpcStatsData. */
export const grpcStats: ExtensionConfigFactory<FiltersHttpGrpcStatsFilterConfigProto> = {
  name: 'envoy.filters.http.grpc_stats',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.grpc_stats.v3.FilterConfig'],
  compile(config: FiltersHttpGrpcStatsFilterConfigProto) {
    const data: GrpcStatsData = {
      individual: individual(config),
      upstreamStats: config.enable_upstream_stats ?? false,
      emitFilterState: config.emit_filter_state ?? false,
      replaceDots: config.replace_dots_in_grpc_service_name ?? false,
    };
    return ok(data);
  },
};

function individual(config: FiltersHttpGrpcStatsFilterConfigProto): GrpcStatsData['individual'] {
  const allowlist = config.individual_method_stats_allowlist;
  if (allowlist === undefined) {
    return wrapperOr(config.stats_for_all_methods, false) ? 'all' : 'none';
  }
  return (allowlist.services ?? []).map(({ name, method_names }) => ({
    name: name ?? '',
    methods: method_names ?? [],
  }));
}
