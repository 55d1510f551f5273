// config.cluster.v3.OutlierDetection with Envoy's defaults filled in.

import type { OutlierDetectionProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  type OutlierDetectionConfig,
  type OutlierNumber,
  outlierNumbers,
} from '../api/config/outlier-detection.ts';
import type { RuntimeBindings, RuntimeNumber } from '../api/runtime.ts';
import type { Compilation } from '../compile/compilation.ts';

const DEFAULT_BASE_EJECTION_TIME_MS = 30_000;
const DEFAULT_MAX_EJECTION_TIME_MS = 300_000;

/** `fromTrailers`: see outlier-options.ts. */
export function compileOutlierDetection(
  proto: OutlierDetectionProto | undefined,
  path: string,
  compilation: Compilation,
  fromTrailers: boolean,
): OutlierDetectionConfig | null {
  if (proto === undefined) return null;
  const baseEjectionTimeMs = durationMsOr(proto.base_ejection_time, DEFAULT_BASE_EJECTION_TIME_MS);
  const number = (
    field:
      | 'max_ejection_percent'
      | 'consecutive_5xx'
      | 'enforcing_consecutive_5xx'
      | 'consecutive_gateway_failure'
      | 'enforcing_consecutive_gateway_failure'
      | 'consecutive_local_origin_failure'
      | 'enforcing_consecutive_local_origin_failure'
      | 'success_rate_minimum_hosts'
      | 'success_rate_request_volume'
      | 'success_rate_stdev_factor'
      | 'enforcing_success_rate'
      | 'enforcing_local_origin_success_rate'
      | 'failure_percentage_threshold'
      | 'failure_percentage_minimum_hosts'
      | 'failure_percentage_request_volume'
      | 'enforcing_failure_percentage'
      | 'enforcing_failure_percentage_local_origin',
    otherwise: number,
  ): number => wrapperOr(proto[field], otherwise);
  const maxEjectionTimeMs = durationMsOr(
    proto.max_ejection_time,
    Math.max(DEFAULT_MAX_EJECTION_TIME_MS, baseEjectionTimeMs),
  );
  if (maxEjectionTimeMs < baseEjectionTimeMs) {
    compilation.fail(`${path}.max_ejection_time`, 'must be >= base_ejection_time');
  }
  const detectDegradedHosts = wrapperOr(proto.detect_degraded_hosts, false);
  if (detectDegradedHosts && fromTrailers) {
    compilation.fail(
      `${path}.detect_degraded_hosts`,
      'looks at heads of responses, and grpc_status_from_trailers does not',
    );
  }
  const config: OutlierDetectionConfig = {
    intervalMs: durationMsOr(proto.interval, 10_000),
    baseEjectionTimeMs,
    maxEjectionTimeMs,
    maxEjectionTimeJitterMs: durationMsOr(proto.max_ejection_time_jitter, 0),
    maxEjectionPercent: number('max_ejection_percent', 10),
    alwaysEjectOneHost: wrapperOr(proto.always_eject_one_host, false),
    consecutive5xx: number('consecutive_5xx', 5),
    enforcingConsecutive5xx: number('enforcing_consecutive_5xx', 100),
    consecutiveGatewayFailure: number('consecutive_gateway_failure', 5),
    enforcingConsecutiveGatewayFailure: number('enforcing_consecutive_gateway_failure', 0),
    consecutiveLocalOriginFailure: number('consecutive_local_origin_failure', 5),
    enforcingConsecutiveLocalOriginFailure: number(
      'enforcing_consecutive_local_origin_failure',
      100,
    ),
    successRateMinimumHosts: number('success_rate_minimum_hosts', 5),
    successRateRequestVolume: number('success_rate_request_volume', 100),
    successRateStdevFactor: number('success_rate_stdev_factor', 1900),
    enforcingSuccessRate: number('enforcing_success_rate', 100),
    enforcingLocalOriginSuccessRate: number('enforcing_local_origin_success_rate', 100),
    failurePercentageThreshold: number('failure_percentage_threshold', 85),
    failurePercentageMinimumHosts: number('failure_percentage_minimum_hosts', 5),
    failurePercentageRequestVolume: number('failure_percentage_request_volume', 50),
    enforcingFailurePercentage: number('enforcing_failure_percentage', 0),
    enforcingFailurePercentageLocalOrigin: number('enforcing_failure_percentage_local_origin', 0),
    splitExternalLocalOriginErrors: proto.split_external_local_origin_errors ?? false,
    detectDegradedHosts,
    successfulActiveHealthCheckUnejectHost: wrapperOr(
      proto.successful_active_health_check_uneject_host,
      true,
    ),
    grpcStatusFromTrailers: fromTrailers,
  };
  return withRuntime(config, compilation.context.runtime);
}

function withRuntime(
  config: OutlierDetectionConfig,
  runtime: RuntimeBindings,
): OutlierDetectionConfig {
  const numbers = Object.entries(outlierNumbers).map(([field, key]) => {
    const now = config[field as OutlierNumber]; // its keys are those
    return [field, runtime.integer(`outlier_detection.${key}`, now)] as const;
  });
  if (numbers.every(([, number]) => typeof number === 'number')) {
    return { ...config, ...Object.fromEntries(numbers) };
  }
  // Every one of them has an entry.
  const live = Object.fromEntries(numbers) as Readonly<Record<OutlierNumber, RuntimeNumber>>;
  return { ...config, live };
}
