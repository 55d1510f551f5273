// envoy.filters.http.fault: main-thread half; the per-route message is the same as the filter's.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  FaultAbortProto,
  FaultDelayProto,
  HTTPFaultProto,
} from '../../../../proto/gen/types.ts';
import { durationMs, fractionOf, wrapperOr } from '../../../../proto/well-known.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import type { RuntimeBindings } from '../../../api/runtime.ts';
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
  const { runtime } = context;
  const maxActiveFaults = runtime.integer(
    keyOf(config.max_active_faults_runtime, 'max_active_faults'),
    wrapperOr(config.max_active_faults, Number.POSITIVE_INFINITY),
  );
  const data: FaultData = {
    delay: config.delay === undefined ? null : compileDelay(config, config.delay, runtime),
    abort: config.abort === undefined ? null : compileAbort(config, config.abort, runtime),
    upstreamCluster: config.upstream_cluster ?? '',
    headers: mapItems(config.headers, 'headers', (matcher, at) =>
      compileHeaderMatcher(matcher, at, compilation),
    ),
    downstreamNodes: config.downstream_nodes ?? [],
    maxActiveFaults: maxActiveFaults === Number.POSITIVE_INFINITY ? null : maxActiveFaults,
    disableDownstreamClusterStats: config.disable_downstream_cluster_stats ?? false,
  };
  return compilation.result(data);
}

/** Envoy: every number of a fault has a key, whether the config names it or not. */
function keyOf(named: string | undefined, otherwise: string): string {
  return (named ?? '') === '' ? `fault.http.${otherwise}` : (named ?? '');
}

function compileDelay(
  config: HTTPFaultProto,
  delay: FaultDelayProto,
  runtime: RuntimeBindings,
): FaultDelayData {
  const key = keyOf(config.delay_percent_runtime, 'delay.fixed_delay_percent');
  const durationKey = keyOf(config.delay_duration_runtime, 'delay.fixed_duration_ms');
  const { fixed_delay: fixed } = delay;
  return {
    fixedDelayMs: fixed === undefined ? null : runtime.integer(durationKey, durationMs(fixed)),
    percentage: runtime.fraction(key, fractionOf(delay.percentage ?? {})),
  };
}

function compileAbort(
  config: HTTPFaultProto,
  abort: FaultAbortProto,
  runtime: RuntimeBindings,
): FaultAbortData {
  const percentage = runtime.fraction(
    keyOf(config.abort_percent_runtime, 'abort.abort_percent'),
    fractionOf(abort.percentage ?? {}),
  );
  if (abort.http_status !== undefined) {
    const key = keyOf(config.abort_http_status_runtime, 'abort.http_status');
    return {
      status: { kind: 'http', status: runtime.integer(key, abort.http_status) },
      percentage,
    };
  }
  if (abort.grpc_status !== undefined) {
    const key = keyOf(config.abort_grpc_status_runtime, 'abort.grpc_status');
    return {
      status: { kind: 'grpc', status: runtime.integer(key, abort.grpc_status) },
      percentage,
    };
  }
  return { status: { kind: 'header' }, percentage };
}
