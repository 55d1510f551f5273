// envoy.filters.http.health_check: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { FiltersHttpHealthCheckHealthCheckProto } from '../../../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { compileHeaderMatcher } from '../../../compile/matchers.ts';
import type { HealthCheckFilterData } from './data.ts';

const WORD_BYTES = 4;

/** HealthCheck -> HealthCheckFilterData. */
export const healthCheck: ExtensionConfigFactory<FiltersHttpHealthCheckHealthCheckProto> = {
  name: 'envoy.filters.http.health_check',
  category: 'http-filter',
  configTypes: ['envoy.extensions.filters.http.health_check.v3.HealthCheck'],
  compile(
    config: FiltersHttpHealthCheckHealthCheckProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const passThroughMode = wrapperOr(config.pass_through_mode, false);
    const periodMs = durationMsOr(config.cache_time, 0);
    if (periodMs > 0 && !passThroughMode) {
      compilation.fail('cache_time', 'goes with pass_through_mode only');
    }
    const clusters = Object.entries(config.cluster_min_healthy_percentages ?? {});
    const data: HealthCheckFilterData = {
      passThroughMode,
      headers: mapItems(config.headers, 'headers', (matcher, at) =>
        compileHeaderMatcher(matcher, at, compilation),
      ),
      clusters: clusters.map(([cluster, percent]) => ({
        cluster,
        percent: Math.trunc(percent.value ?? 0),
      })),
      cache: periodMs > 0 ? { periodMs, answer: context.sharedMemory(WORD_BYTES) } : null,
    };
    return compilation.result(data);
  },
};
