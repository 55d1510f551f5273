// envoy.filters.http.fault: main-thread half; the per-route message is the same as the filter's.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  FaultAbortProto,
  FaultDelayProto,
  HTTPFaultProto,
} from '../../../../proto/gen/types.ts';
import { durationMs, fractionOf, wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { compileHeaderMatcher } from '../../../compile/matchers.ts';
import type { FaultAbortData, FaultData, FaultDelayData } from './data.ts';

const type = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

/** HTTPFault -> FaultData, also per route. */
export const fault: ExtensionConfigFactory<HTTPFaultProto> = {
  name: 'envoy.filters.http.fault',
  category: 'http-filter',
  configTypes: [type],
  routeConfigTypes: [type],
  compile: compileFault,
  compileRoute: compileFault,
};

function compileFault(
  config: HTTPFaultProto,
  context: CompileContext,
): Result<unknown, FieldError[]> {
  const compilation = new Compilation(context);
  const data: FaultData = {
    delay: config.delay === undefined ? null : compileDelay(config.delay),
    abort: config.abort === undefined ? null : compileAbort(config.abort),
    upstreamCluster: config.upstream_cluster ?? '',
    headers: mapItems(config.headers, 'headers', (matcher, at) =>
      compileHeaderMatcher(matcher, at, compilation),
    ),
    downstreamNodes: config.downstream_nodes ?? [],
    maxActiveFaults: wrapperOr(config.max_active_faults, null),
    disableDownstreamClusterStats: config.disable_downstream_cluster_stats ?? false,
  };
  return compilation.result(data);
}

function compileDelay(delay: FaultDelayProto): FaultDelayData {
  const percentage = fractionOf(delay.percentage ?? {});
  const fixedDelayMs = delay.fixed_delay === undefined ? null : durationMs(delay.fixed_delay);
  return { fixedDelayMs, percentage };
}

function compileAbort(abort: FaultAbortProto): FaultAbortData {
  const percentage = fractionOf(abort.percentage ?? {});
  if (abort.http_status !== undefined) {
    return { status: { kind: 'http', status: abort.http_status }, percentage };
  }
  if (abort.grpc_status !== undefined) {
    return { status: { kind: 'grpc', status: abort.grpc_status }, percentage };
  }
  return { status: { kind: 'header' }, percentage };
}
